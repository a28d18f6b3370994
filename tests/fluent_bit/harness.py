"""Lines through a converted configuration, as the aggregator puts them through: without files, sockets or a journal."""

import os
from dataclasses import replace
from pathlib import Path

from aggregator.__main__ import read_config
from aggregator.core.events import UNPARSED
from aggregator.core.lines import Lines
from aggregator.core.records import Slice
from aggregator.core.route import Plans
from aggregator.route_config import plans_of
from towline.fluent_bit.convert import Converted, convert
from towline.wire.identity import Origin, Pod

POD = Pod(namespace="shop", name="web-0", uid="u-1", ip="10.0.0.7", node="ip-10-0-0-1", labels={"app": "web"})
READ_UNIX_NS = 1_700_000_000_000_000_000
APP_LOG = "/var/log/app.log"

HEAD = """\
[INPUT]
    Name tail
    Tag  app
    Path /var/log/app.log
    {input}

{rest}

[OUTPUT]
    Name   datadog
    Match  *
    apikey ${{DD_API_KEY}}
    tls    on
"""


def written(folder: Path, text: str, name: str = "fluent-bit.conf", **others: str) -> Path:
    """A configuration, and files beside it: `parsers_conf="..."` is parsers.conf."""
    for other, content in others.items():
        (folder / other.replace("_", ".")).write_text(content)
    path = folder / name
    path.write_text(text)
    return path


def pipeline(folder: Path, rest: str = "", own: str = "", **others: str) -> Path:
    """An input of /var/log/app.log with keys of its `own`, and an output to Datadog; `rest` stands between them."""
    return written(folder, HEAD.format(input=own, rest=rest), **others)


def converted(path: Path, **env: str) -> Converted:
    return convert(path, env)


def plans(path: Path, monkeypatch) -> Plans:
    """What the aggregator makes of the unchanged file."""
    monkeypatch.setenv("DD_API_KEY", "key")
    config, _ = read_config(path)
    return plans_of(config, str(path), list(config.sinks))


def events(path: Path, text: str, monkeypatch, origin: str = APP_LOG, sink: str = "datadog") -> Slice | None:
    """The lines of `text`, as they reach the sink; None where no route leads there."""
    made = plans(path, monkeypatch)
    where = Origin(path=origin)
    if sink not in made.routes.owed(POD, where):
        return None
    piece = Slice(
        block_id=1,
        stream="s",
        epoch=0,
        start=0,
        end=len(text.encode()),
        lines=Lines(text.encode()),
        pod=POD,
        origin=where,
        read_unix_ns=READ_UNIX_NS,
    )
    plan = made.of(sink, POD, where)
    if plan is None:
        return piece
    joined = [piece]
    if plan.joining is not None:
        first = plan.joining.join(None, piece)
        joined = [*first.complete, *(plan.joining.join(first.open, None).complete if first.open else [])]
    slices = [plan.apply(one) for one in joined]
    details = [one.known_details() for one in slices]
    texts = [text for one in slices for text in one.lines]
    whole = replace(slices[0], lines=Lines.of(()), ends=[], details=None)
    return whole if not texts else _together(slices, texts, details)


def _together(slices, texts, details):
    from aggregator.core.events import Texts, joined

    ends = [end for one in slices for end in one.known_ends()]
    return replace(slices[0], lines=Texts(texts), ends=ends, details=joined(details))


def records(path: Path, text: str, monkeypatch, **where: str) -> list[dict[str, object]] | None:
    """What Fluent Bit calls records: the fields of each event; of one that has none, its text as `message`."""
    piece = events(path, text, monkeypatch, **where)
    if piece is None:
        return None
    found = []
    for line, fields in zip(piece.lines, piece.known_details().fields, strict=True):
        found.append({"message": line.decode()} if fields is None else dict(fields))
    return found


def unparsed(piece: Slice) -> list[str]:
    """The parser that could not read each event, "" where one could."""
    return [(notes or {}).get(UNPARSED, "") for notes in piece.known_details().notes]


def shared() -> Path:
    """The folder of fixtures that are not part of the project, wherever it is."""
    root = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("TOWLINE_SHARED") or root.parent / "shared")
