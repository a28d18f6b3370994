"""Whether cases hold, and where not, in what: what `towline test` shows, and what keeps a bad configuration from being taken over.

Room: aggregator, above cases. Never enters: how differences are shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from aggregator.case_config import CaseConfig
from aggregator.cases import Outcome, Record, run_case, unknown_sinks
from aggregator.core.route import Plans
from aggregator.route_config import RouteConfig
from aggregator.rule_labels import labels_of
from towline.plumbing.config_file import load_config
from towline.plumbing.place import Place, closest

SUFFIX = ".test.yaml"
_MOST_PAIRS = 250_000  # of expected and found events that are compared to tell what was left out from what is otherwise
_Pair = tuple[int | None, int | None]


class CasesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of cases, beside the configuration that they are of: NAME.test.yaml beside NAME.yaml."""

    tests: tuple[CaseConfig, ...]


class Placed(NamedTuple):
    """A case, and where it is written."""

    case: CaseConfig
    place: Place


@dataclass(frozen=True, slots=True)
class Difference:
    """One event that is not what was expected; `wanted` and `found` hold only what differs. `number`: of the event at the sink, from 1.

    wanted None: it was not expected at all; found None: it did not come.
    """

    sink: str
    number: int
    wanted: Mapping[str, Any] | None
    found: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case. miscounted: by rule how many it was to drop, and how many it dropped. problems: why it could not be run."""

    placed: Placed
    outcome: Outcome | None = None
    differences: Sequence[Difference] = ()
    miscounted: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    problems: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        return not (self.differences or self.miscounted or self.problems)


def beside(file: Path) -> Path:
    """Where cases of a configuration stand that are not in it."""
    return file.with_suffix(SUFFIX)


def placed_cases(cases: Sequence[CaseConfig], file: str) -> list[Placed]:
    """The cases of a configuration itself, by its name."""
    place = Place(file, "tests")
    return [Placed(case, place.item(index)) for index, case in enumerate(cases)]


def cases_in(file: Path, env: Mapping[str, str]) -> list[Placed]:
    """The cases of a file of their own. Raises ConfigError."""
    return placed_cases(load_config(file, CasesFile, env).tests, str(file))


def result_of(placed: Placed, plans: Plans, routes: Sequence[RouteConfig]) -> Result:
    """Run one case. Nothing of it is remembered in `plans`."""
    case, place = placed
    problems = [*unknown_sinks(case, plans.routes.push_sinks, place), *_unknown_rules(placed, routes)]
    if problems:
        return Result(placed, problems=problems)
    outcome = run_case(plans.anew(), case.given)
    dropped = outcome.dropped()
    return Result(
        placed,
        outcome,
        [one for sink in case.expect for one in _differences(sink, case, outcome)],
        {
            rule: (events, dropped.get(rule, 0))
            for rule, events in case.dropped.items()
            if events != dropped.get(rule, 0)
        },
    )


def _differences(sink: str, case: CaseConfig, outcome: Outcome) -> list[Difference]:
    wanted, found = [_fields_of(one) for one in case.expect[sink]], outcome.records.get(sink, ())
    made = []
    for at, index in _aligned(wanted, found):
        if index is None and at is not None:
            made.append(Difference(sink, at + 1, wanted[at], None))
        elif at is None and index is not None:
            made.append(Difference(sink, index + 1, None, found[index]))
        elif at is not None and index is not None and (otherwise := _otherwise(wanted[at], found[index])):
            said = {key: found[index][key] for key in otherwise if key in found[index]}
            made.append(Difference(sink, index + 1, {key: wanted[at][key] for key in otherwise}, said))
    return made


def _fields_of(expected: Any) -> Record:
    return expected if isinstance(expected, Mapping) else {"message": expected}


def _otherwise(wanted: Record, found: Record) -> list[str]:
    return [key for key, value in wanted.items() if found.get(key) != value]


def _aligned(wanted: Sequence[Record], found: Sequence[Record]) -> list[_Pair]:
    """Which event was to be which: those that are as expected keep their partners, and what lies between them is paired in order."""
    if len(wanted) == len(found) or len(wanted) * len(found) > _MOST_PAIRS:
        return _in_order(range(len(wanted)), range(len(found)))
    pairs: list[_Pair] = []
    at = index = 0
    for next_at, next_index in _common(wanted, found):
        pairs += _in_order(range(at, next_at), range(index, next_index))
        at, index = next_at + 1, next_index + 1
    return pairs + _in_order(range(at, len(wanted)), range(index, len(found)))


def _in_order(ats: Sequence[int], indexes: Sequence[int]) -> list[_Pair]:
    return list(zip_longest(ats, indexes))


def _common(wanted: Sequence[Record], found: Sequence[Record]) -> list[tuple[int, int]]:
    """The longest run of events, not all neighbours, that are as expected and in the order that was expected."""
    fits = [[not _otherwise(one, other) for other in found] for one in wanted]
    longest = [[0] * (len(found) + 1) for _ in range(len(wanted) + 1)]
    for at in range(len(wanted) - 1, -1, -1):
        for index in range(len(found) - 1, -1, -1):
            best = max(longest[at + 1][index], longest[at][index + 1])
            longest[at][index] = max(best, longest[at + 1][index + 1] + 1) if fits[at][index] else best
    pairs, at, index = [], 0, 0
    while at < len(wanted) and index < len(found):
        if fits[at][index] and longest[at][index] == longest[at + 1][index + 1] + 1:
            pairs.append((at, index))
            at, index = at + 1, index + 1
        elif longest[at + 1][index] >= longest[at][index + 1]:
            at += 1
        else:
            index += 1
    return pairs


def _unknown_rules(placed: Placed, routes: Sequence[RouteConfig]) -> list[str]:
    known = labels_of(routes)
    return [
        placed.place.child("dropped").says(
            f"no rule is named {name!r}.{closest(name, known)} "
            + (f"Use one of: {', '.join(known)}" if known else "No route has any rule")
        )
        for name in placed.case.dropped
        if name not in known
    ]
