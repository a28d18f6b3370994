"""`towline explain`: a line after every step of its way."""

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.plumbing.errors import ConfigError
from towline.plumbing.lifecycle import ExitCode
from towline.plumbing.place import Place, closest

if TYPE_CHECKING:
    from aggregator.case_config import Given
    from aggregator.config import SinkConfig

_MOST_BYTES = 1 << 20  # of lines: what a block holds

DESCRIPTION = """\
Show what an aggregator's configuration makes of lines: which routes match the stream and why the others do not, how lines are
joined and parsed, what each rule changes or drops, and what each destination would get. Lines come from --line (once for each),
from --file, or from standard input. The options below say whose lines they are, as routes may ask; the lines are taken for all
that their file holds. Nothing is contacted, listened on or written, and no secret is needed."""
EPILOG = "Exit code: 0, or 2 where the configuration or the lines cannot be used."


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "explain",
        help="show a line after every step",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="FILE", help="aggregator.yaml, or a Fluent Bit configuration")
    lines = parser.add_mutually_exclusive_group()
    lines.add_argument("--line", action="append", metavar="TEXT", help="a line; once for each")
    lines.add_argument("--file", type=Path, metavar="FILE", help="lines as an app has written them")
    for name, what in _OF_POD.items():
        parser.add_argument(f"--{name}", metavar="NAME", help=what)
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE", help="a label of the pod")
    for name, what in _OF_ORIGIN.items():
        parser.add_argument(f"--{name}", metavar="TEXT", help=what)
    parser.add_argument("--read", metavar="TIME", help="when the collector read them: 2026-01-01T00:00:00Z; else now")
    parser.add_argument("--sink", action="append", default=[], metavar="NAME", help="only the way to this destination")
    parser.add_argument("--json", action="store_true", help="all of it as one JSON document")
    parser.set_defaults(run=run)


_OF_POD = {"namespace": "the pod's namespace", "pod": "the pod's name", "workload": "the pod's workload"}
_OF_ORIGIN = {
    "container": "as the collector's configuration names the log's container",
    "source": "... its source",
    "service": "... its service",
    "path": "the log's path in the pod",
}


def run(args: argparse.Namespace) -> int:
    """Print what happens to the lines."""
    try:
        _explain(argparse.Namespace(**{name: _as_text(value) for name, value in vars(args).items()}))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIG_ERROR
    return ExitCode.OK


def _explain(args: argparse.Namespace) -> None:
    """Raises ConfigError."""
    import msgspec

    from aggregator.explaining import Asked, explain
    from towline.cli.configured import read_configured
    from towline.cli.showing import columns
    from towline.cli.telling import told

    found = read_configured(args.config)
    _check_sinks(args.sink, found.sinks)
    given = _given(args)
    explained = explain(Asked(found.config, args.config, found.sinks, given, args.sink))
    if args.json:
        values = {"given": msgspec.to_builtins(given), **msgspec.to_builtins(explained)}
        print(json.dumps(values, ensure_ascii=True, indent=2))
        return
    for line in told(explained, given, columns()):
        print(line)


def _as_text(value: Any) -> Any:
    """What a shell passed on that is no UTF-8, as it would reach a destination."""
    if isinstance(value, list):
        return list(map(_as_text, value))
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if isinstance(value, str) else value


def _check_sinks(names: list[str], sinks: "Mapping[str, SinkConfig]") -> None:
    for name in names:
        if name not in sinks:
            near = closest(name, sinks)
            raise ConfigError(
                Place("--sink").says(
                    f"no sink that takes lines is named {name!r}.{near} Use one of: {', '.join(sinks)}"
                )
            )


def _given(args: argparse.Namespace) -> "Given":
    """Raises ConfigError."""
    from aggregator.case_config import Given
    from towline.plumbing.config_file import convert

    pod = {"name" if key == "pod" else key: getattr(args, key) for key in _OF_POD if getattr(args, key) is not None}
    pod["labels"] = dict(map(_label, args.label))
    origin = {key: getattr(args, key) for key in _OF_ORIGIN if getattr(args, key) is not None}
    read = args.read or datetime.now(UTC).isoformat()
    return convert({"lines": _lines(args), "pod": pod, "origin": origin, "read": read}, Given, Place("--"))


def _label(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ConfigError(Place("--label").says(f"{text!r} is no label. Write NAME=VALUE"))
    return name, value


def _lines(args: argparse.Namespace) -> str:
    """Raises ConfigError."""
    if args.line is not None:
        return "\n".join(args.line)
    name = "standard input" if args.file is None else str(args.file)
    if args.file is None and sys.stdin.isatty():
        print("Write lines, then Ctrl-D:", file=sys.stderr)
    try:
        if args.file is None:
            raw = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with args.file.open("rb") as file:
                raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(Place(name).says(f"cannot be read ({error.strerror}). Check the path")) from None
    if not raw:
        raise ConfigError(Place(name).says("holds no line. Write some, or use --line"))
    if len(raw) > _MOST_BYTES:
        raw = raw[: raw.rfind(b"\n", 0, _MOST_BYTES) + 1 or _MOST_BYTES]
        print(f"{name}: only the first {len(raw)} bytes are explained", file=sys.stderr)
    return raw.decode("utf-8", "replace")
