"""`towline`: one command a file, each imported only when it is called.

Room: the front door. Never enters: what the commands do.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from towline import __version__

# By their names: the module of each.
COMMANDS = {
    "up": "up",
    "collector": "collector",
    "aggregator": "aggregator",
    "check": "check",
    "test": "testing",
    "explain": "explain",
    "convert": "convert",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. argparse itself exits with 2 where it does not understand the command line."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser(arguments).parse_args(arguments)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has left (`towline check ... | head`). What is still buffered goes nowhere, or the
        # interpreter would complain of it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="towline", description="Logs and metrics of pods that have no node.")
    parser.add_argument("--version", action="version", version=f"towline {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    # Only the command that is called: the others' imports would be paid for in every pod.
    called = [arguments[0]] if arguments and arguments[0] in COMMANDS else list(COMMANDS)
    for name in called:
        importlib.import_module(f"towline.cli.{COMMANDS[name]}").add_parser(subparsers)
    return parser
