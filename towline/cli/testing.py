"""`towline test`: run the cases that are written beside a configuration."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.cli.showing import columns, first_difference, plain, scalar, window, worded
from towline.plumbing.errors import ConfigError
from towline.plumbing.lifecycle import ExitCode
from towline.plumbing.place import Place

if TYPE_CHECKING:
    from aggregator.case_results import Difference, Placed, Result

FAILED = 1  # a case does not hold

DESCRIPTION = """\
Run the cases of an aggregator's configuration: lines as an app writes them, and what is to become of them at each destination.
They stand in the configuration under `tests:`, in NAME.test.yaml beside NAME.yaml (or beside a Fluent Bit configuration), or in
the files that --cases names. Lines go through the same code as in the aggregator; nothing is contacted, listened on or written,
and no secret is needed. docs/guides/testing-config.md shows how to write cases."""
EPILOG = """\
Of an event that is not as expected only what differs is shown: - is what the case expects, + what came.
Exit code: 0 where all cases hold, 1 where one does not, 2 where a configuration or a case cannot be used."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "test",
        help="run the cases written beside a configuration",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="aggregator.yaml, or a Fluent Bit configuration"
    )
    parser.add_argument("--only", metavar="NAME", help="run the cases of this name alone")
    parser.add_argument(
        "--cases", action="append", type=Path, default=[], metavar="FILE", help="cases in a file of another name"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run all cases of all files; the worst outcome is the exit code."""
    codes, passed, failed = list[int](), 0, 0
    for file in args.files:
        try:
            results = _results(file, args.cases, args.only)
        except ConfigError as error:
            print(error, file=sys.stderr)
            codes.append(ExitCode.CONFIG_ERROR)
            continue
        for result in results:
            _tell(result)
            passed, failed = passed + result.holds, failed + (not result.holds)
        codes += [_code(result) for result in results]
    if passed or failed:
        print(f"{passed} passed, {failed} failed")
    return max(codes)


def _results(file: Path, more: Sequence[Path], only: str | None) -> "list[Result]":
    """Raises ConfigError."""
    from aggregator import case_results
    from towline.cli.configured import read_configured

    if file.name.endswith(case_results.SUFFIX):
        raise ConfigError(Place(str(file)).says("holds cases alone. Name the configuration beside it that they are of"))

    found = read_configured(file)
    cases = case_results.placed_cases(found.config.tests, str(file))
    own = case_results.beside(file)
    for one in (own, *more) if own.exists() else more:
        cases += case_results.cases_in(one, os.environ)
    plans, routes = found.plans(), found.config.routes
    return [case_results.result_of(case, plans, routes) for case in _chosen(cases, only, file)]


def _chosen(cases: "Sequence[Placed]", only: str | None, file: Path) -> "Sequence[Placed]":
    """Raises ConfigError where there is nothing to run: whoever asks believes that there is."""
    from aggregator.case_results import beside
    from towline.plumbing.place import closest

    place = Place(str(file), "tests")
    if not cases:
        raise ConfigError(
            place.says(
                f"there are no cases. Write some here, or in {beside(file).name} beside it, or name a file of them"
            )
        )
    chosen = [placed for placed in cases if only in {None, placed.case.name}]
    if not chosen:
        names = list(dict.fromkeys(placed.case.name for placed in cases))
        raise ConfigError(
            place.says(f"no case is named {only!r}.{closest(str(only), names)} Use one of: {', '.join(names)}")
        )
    return chosen


def _code(result: "Result") -> int:
    if result.problems:
        return ExitCode.CONFIG_ERROR
    return ExitCode.OK if result.holds else FAILED


def _tell(result: "Result") -> None:
    name, width = plain(result.placed.case.name), columns()
    if result.holds:
        print(f"ok      {name}")
        return
    print(f"FAILED  {name}", flush=True)
    for problem in result.problems:
        print(problem, file=sys.stderr)
    if not result.problems:
        for line in _explained(result, width):
            print(line)


def _explained(result: "Result", width: int) -> Iterator[str]:
    place, outcome = result.placed.place, result.outcome
    yield f"  {place.file}: {place.key}"
    for sink, differences in groupby(result.differences, lambda one: one.sink):
        reached = outcome is not None and sink in outcome.records
        for one in differences:
            yield from worded("  ", _headline(one, reached=reached), width)
            yield from _sides(one, width - 4)
        dropped = outcome.dropped(sink) if outcome is not None else {}
        if dropped:
            told = ", ".join(f"rule {plain(rule)} {events}" for rule, events in dropped.items())
            yield from worded("  ", f"{sink}: dropped on the way: {told}", width)
    for rule, (wanted, found) in result.miscounted.items():
        yield from worded("  ", f"rule {plain(rule)} is to drop {wanted}, and dropped {found}", width)


def _headline(one: "Difference", *, reached: bool) -> str:
    if one.found is None:
        why = "" if reached else " (no route leads these lines there)"
        return f"{one.sink}: expected event {one.number} did not come{why}"
    if one.wanted is None:
        return f"{one.sink}: event {one.number} was not expected"
    return f"{one.sink}: event {one.number} is not as expected"


def _sides(one: "Difference", width: int) -> Iterator[str]:
    """Fields in the order of their names, what was expected above what came."""
    wanted, found = one.wanted or {}, one.found or {}
    for key in sorted({*wanted, *found}):
        old, new = _member(wanted, key), _member(found, key)
        at = first_difference(old, new) if old and new else 0
        yield from (f"    - {window(text, at, width - 2)}" for text in (old,) if text)
        yield from (f"    + {window(text, at, width - 2)}" for text in (new,) if text)


def _member(fields: Mapping[str, Any], key: str) -> str:
    return f"{plain(key)}: {scalar(fields[key])}" if key in fields else ""
