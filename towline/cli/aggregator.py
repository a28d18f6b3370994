"""`towline aggregator`: run the aggregator in the foreground."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("aggregator", help="run the aggregator")
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="aggregator.yaml, or a Fluent Bit configuration"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT; the exit code says how it went (plumbing.lifecycle.ExitCode)."""
    from aggregator.__main__ import start

    return start(args.config)
