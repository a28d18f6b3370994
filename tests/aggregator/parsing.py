"""Lines through the ready parsers, or others: what the tests of parsers share."""

from datetime import UTC, datetime

from aggregator.core.events import Texts
from aggregator.core.lines import Lines
from aggregator.core.parsing import Parsing
from aggregator.core.records import Slice
from aggregator.parser_config import ParserConfig, build_parser, ready_parsers
from towline.plumbing.config_file import convert
from towline.plumbing.place import Place
from towline.wire.identity import Origin, Pod

READ = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 10**9


def ready(name):
    return build_parser(name, ready_parsers()[name])


def made(values, name="app"):
    """The parser that these values of `parsers:` make."""
    return build_parser(name, convert(values, ParserConfig, Place("aggregator.yaml").child("parsers").child(name)))


def piece_of(lines, **more):
    """A slice of these lines, of one text as a block has them; or of `Texts`."""
    raw = b"".join(line + b"\n" for line in lines)
    return Slice(
        block_id=1,
        stream="s",
        epoch=0,
        start=0,
        end=len(raw),
        lines=lines if isinstance(lines, Texts) else Lines(raw),
        pod=Pod(namespace="shop", name="web-1", uid="u"),
        origin=Origin(path="/var/log/app/x.log"),
        read_unix_ns=READ,
        **more,
    )


def parsed(lines, *parsers):
    """The details of these lines once they were parsed, and what was counted."""
    after = Parsing(parsers).apply(piece_of(lines))
    assert list(after.lines) == list(lines)
    return after.details, dict(after.tally)


def ns(text):
    """Nanoseconds since 1970 of `2026-11-22T03:04:05.678901234`, in UTC; the fraction may be missing."""
    whole, _, fraction = text.partition(".")
    return int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()) * 10**9 + int(fraction.ljust(9, "0"))
