"""`towline check`: say all that is wrong with configuration files, before anything starts."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from towline.plumbing.errors import ConfigError
from towline.plumbing.lifecycle import ExitCode
from towline.plumbing.place import Place

Kind = Literal["collector", "aggregator"]

# Keys that only one of the two files has at its top.
COLLECTOR_KEYS = frozenset(
    {
        "aggregator",
        "state_dir",
        "logs",
        "acknowledge",
        "failover_seconds",
        "limit_bytes",
        "flush_seconds",
        "window_bytes",
        "partial_line_seconds",
    }
    | {"exit_code_on_loss", "identity", "metrics", "podinfo_dir"}
)
AGGREGATOR_KEYS = frozenset({"journal", "auth", "sinks", "routes", "marks"})


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("check", help="validate configuration files")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="collector.yaml or aggregator.yaml")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print `FILE: ok (collector)` for each good file, every problem of the others, one a line. 2 where there are problems."""
    code = ExitCode.OK
    for file in args.files:
        try:
            kind = check(file, os.environ)
        except ConfigError as error:
            print(error, file=sys.stderr)
            code = ExitCode.CONFIG_ERROR
        else:
            print(f"{file}: ok ({kind})")
    return code


def check(file: Path, env: Mapping[str, str]) -> Kind:
    """Which configuration `file` is. Raises ConfigError, which holds every problem, one a line."""
    from towline.plumbing.yaml_file import read_yaml

    kind = kind_of(read_yaml(file, env), Place(str(file)))
    if kind == "collector":
        from collector.config import load

        load(file, env)
    else:
        from aggregator.config import load as load_aggregator
        from aggregator.registry import SINKS

        load_aggregator(file, SINKS, env)
    return kind


def kind_of(values: Mapping[str, Any], place: Place) -> Kind:
    """Tell by its keys whose configuration it is: the one that more keys speak for. Raises ConfigError where that is neither."""
    of_collector, of_aggregator = len(values.keys() & COLLECTOR_KEYS), len(values.keys() & AGGREGATOR_KEYS)
    if of_collector == of_aggregator:
        problem = (
            "has the keys of neither a collector nor an aggregator"
            if not of_collector
            else "mixes a collector's and an aggregator's keys"
        )
        raise ConfigError(
            place.says(
                f"{problem}. A collector's file has `aggregator` and `logs`, an aggregator's `sinks` and `journal`"
            )
        )
    return "collector" if of_collector > of_aggregator else "aggregator"
