"""`towline check`: say all that is wrong with configuration files, before anything starts."""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from towline.plumbing.errors import ConfigError, SecretAbsentError
from towline.plumbing.lifecycle import ExitCode
from towline.plumbing.place import Place

Kind = Literal["collector", "aggregator", "Fluent Bit"]

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
AGGREGATOR_KEYS = frozenset({"journal", "auth", "sinks", "parsers", "multiline", "routing", "routes", "tests", "marks"})


_MEMORY = re.compile(r"^/proc/self/fd/\d+(?=:)")

DESCRIPTION = """\
Say all that is wrong with configuration files. Everything is read and built as `towline collector` and `towline aggregator`
do at their start, and let go of again: nothing is contacted, listened on or written. Folders, ports and destinations are not
tried. Environment variables are this shell's: set what the pod has (AWS_REGION, and each ${VAR} of the file).
Of a Fluent Bit configuration both of what it becomes are checked.

What works and is hardly what was meant is a warning: routes that no line ever takes, rules that never do anything or drop
everything, fields that no parser can find, parsers that nothing uses, cases in it that do not hold (`towline test` shows them
at length). Only what is certain is said.
A secret that is not on this machine (a *_file that is missing or unreadable, DD_API_KEY) is a warning, as secrets belong
where the service runs; with --strict it is an error, as it is at the service's start. A secret that is here and cannot be
one (empty, several lines) is always an error."""
EPILOG = (
    "Exit code: 0 where every file is good, 2 where one is not. Problems and warnings go to standard error, one a line."
)


class Found(NamedTuple):
    """What was found in one file: whose it is, what is wrong with it, and what a service would start with and log a warning of."""

    kind: Kind
    errors: list[ConfigError]
    doubts: list[str]

    def of(self, file: Path) -> "Found":
        """The same, where what was read came from memory."""
        renamed = [type(error)(_MEMORY.sub(str(file), str(error))) for error in self.errors]
        return Found(self.kind, renamed, [_MEMORY.sub(str(file), doubt) for doubt in self.doubts])

    def problems(self, *, strict: bool) -> list[str]:
        """What no service could start with: wherever it runs, or, if `strict`, on this machine."""
        return [str(error) for error in self.errors if strict or not isinstance(error, SecretAbsentError)]

    def warnings(self, *, strict: bool) -> list[str]:
        """What is doubtful; unless `strict`, also what is not on this machine and may well be where the service runs."""
        absent = [str(error) for error in self.errors if isinstance(error, SecretAbsentError) and not strict]
        return absent + self.doubts


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "check",
        help="validate configuration files",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="collector.yaml, aggregator.yaml, or a Fluent Bit configuration",
    )
    parser.add_argument(
        "--strict", action="store_true", help="a secret that is not on this machine is an error, not a warning"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print `FILE: ok (collector)` for each good file, every problem of the others, one a line. 2 where there are problems."""
    results = [_told(file, strict=args.strict) for file in args.files]
    return ExitCode.OK if all(results) else ExitCode.CONFIG_ERROR


def _told(file: Path, *, strict: bool) -> bool:
    """Print what was found in one file; True where it is good."""
    try:
        found = check(file, os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return False
    problems = found.problems(strict=strict)
    warnings = [f"warning: {text}" for text in found.warnings(strict=strict)]
    for line in (*problems, *warnings):
        print(line, file=sys.stderr)
    if not problems:
        print(f"{file}: ok ({found.kind})")
    return not problems


def check(file: Path, env: Mapping[str, str]) -> Found:
    """Everything that a start would find in `file` before it touches the network. Raises ConfigError, which holds every problem, one a line."""
    from towline.plumbing.recognise import is_fluent_bit
    from towline.plumbing.yaml_file import read_yaml

    if is_fluent_bit(file):
        return _check_fluent_bit(file, env)
    kind = kind_of(read_yaml(file, env), Place(str(file)))
    if kind == "collector":
        return Found(kind, _faults_of_collector(file, env), [])
    return Found(kind, *_faults_of_aggregator(file, env))


def _check_fluent_bit(file: Path, env: Mapping[str, str]) -> Found:
    """Both halves, as starts of both programs read them."""
    from aggregator.core.regexes import compile_regex
    from towline.fluent_bit.means import Means
    from towline.fluent_bit.reading import read_converted

    faults, _ = read_converted(file, "collector", lambda path: _faults_of_collector(path, env), env)
    (errors, doubts), notices = read_converted(
        file, "aggregator", lambda path: _faults_of_aggregator(path, env, is_ours=False), env, Means(compile_regex)
    )
    return Found("Fluent Bit", [*faults, *errors], [*notices, *doubts]).of(file)


def _faults_of_collector(file: Path, env: Mapping[str, str]) -> list[ConfigError]:
    from collector.config import CollectorConfig
    from towline.plumbing.config_file import check_secret_files, load_config

    return check_secret_files(load_config(file, CollectorConfig, env), Place(str(file)))


def _faults_of_aggregator(
    file: Path, env: Mapping[str, str], *, is_ours: bool = True
) -> tuple[list[ConfigError], list[str]]:
    """Errors and doubts. `is_ours`: it was written by hand; of what was converted there is a report."""
    from aggregator.cases import problems_of
    from aggregator.config import load, sinks_of
    from aggregator.findings import findings
    from aggregator.parts import faults_of
    from aggregator.registry import SINKS
    from aggregator.route_config import plans_of
    from towline.plumbing.logs import configure_logs

    config = load(file, SINKS, env)
    configure_logs("warning")  # what sinks have to say when they are built
    errors, doubts = faults_of(config, file)
    if not is_ours:
        return errors, doubts
    takers = [name for name, sink in sinks_of(config, SINKS, str(file)).items() if sink.spec.takes_lines]
    failed = problems_of(config.tests, plans_of(config, str(file), takers), Place(str(file), "tests"))
    return errors, [*doubts, *findings(config, str(file)), *failed]


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
