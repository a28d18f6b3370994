"""`towline convert`: a Fluent Bit configuration as Towline's two files, with a report of each key."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.plumbing.errors import ConfigError
from towline.plumbing.lifecycle import ExitCode

if TYPE_CHECKING:
    from towline.fluent_bit.means import Means

DESCRIPTION = """\
Convert a Fluent Bit configuration (classic or YAML, a file beside those that it includes, or the Kubernetes manifest that
holds its ConfigMap) to collector.yaml and aggregator.yaml, and say of every key what became of it. Nothing is contacted.

The same conversion happens in memory where `towline collector --config FILE` and `towline aggregator --config FILE` are
given such a file: you need not convert anything to run."""
EPILOG = "Exit code: 0, or 2 where the configuration cannot be read or holds what Towline does not do (the report says what)."


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "convert",
        help="convert a Fluent Bit configuration",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="fluent-bit.conf, fluent-bit.yaml, or a manifest")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="write collector.yaml, aggregator.yaml and report.txt there"
    )
    parser.add_argument("--force", action="store_true", help="write over files that are there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the report, and what is wrong to standard error; write the files where a folder is named."""
    from towline.fluent_bit.convert import convert

    try:
        converted = convert(args.file, os.environ, _means())
        if args.output is not None:
            _write(converted, args.output, force=args.force)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIG_ERROR
    print(converted.report.text(), end="")
    if args.output is not None:
        print(f"written: {', '.join(str(args.output / name) for name in _NAMES)}")
    refused = converted.report.refused()
    for problem in refused:
        print(problem, file=sys.stderr)
    return ExitCode.CONFIG_ERROR if refused else ExitCode.OK


def _means() -> "Means":
    """With the aggregator's own regular expressions, where they are installed: a collector's image has none."""
    from towline.fluent_bit.means import Means

    try:
        from aggregator.core.regexes import compile_regex
    except ImportError:
        return Means()
    return Means(compile_regex)


_NAMES = ("collector.yaml", "aggregator.yaml", "report.txt")


def _write(converted: Any, folder: Path, *, force: bool) -> None:
    """All three files, or none. Raises ConfigError."""
    from towline.fluent_bit.writing import as_yaml
    from towline.plumbing.place import Place

    there = [name for name in _NAMES if (folder / name).exists()]
    if there and not force:
        raise ConfigError(Place(str(folder)).says(f"holds {there[0]} already. Name another folder, or add --force"))
    name = converted.report.name
    texts = (
        as_yaml(converted.collector, "The collector's configuration", name),
        as_yaml(converted.aggregator, "The aggregator's configuration", name),
        converted.report.text(),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in zip(_NAMES, texts, strict=True):
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            Place(str(folder)).says(f"cannot be written ({error.strerror}). Name another folder")
        ) from None
