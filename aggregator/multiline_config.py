"""What `multiline:` says, as types, and the joinings made of it. multiline.yaml holds the ready ones.

Room: aggregator. Never enters: how lines are joined (core/multiline.py), routes.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

import msgspec
import yaml

from aggregator.core.multiline import Joining, LineJoining, Scanner
from aggregator.core.multiline_lines import LinePattern, others_of, starts_of
from aggregator.core.multiline_scan import Limits, StartScanner, not_indented
from aggregator.core.multiline_table import START, Rule, TableScanner
from towline.plumbing.sizes import PositiveSeconds, PositiveSize

_WAYS = "start, continuation, indented, json or rules"
_LONGEST_LINES = 100_000
_LARGEST_BYTES = 1 << 20


class RuleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"sources": "from"}):
    """One row of a table: in a state of `from`, a line in which `regex` is found goes on with the event, which is in `to` then.

    from: a state, or a list; `start` means that no event is open.
    """

    sources: str | tuple[str, ...]
    regex: str
    to: str

    def __post_init__(self) -> None:
        if not self.sources or not self.to:
            raise ValueError("names no state. Say which, such as from: start, to: trace")
        if self.to == START:
            raise ValueError(
                "to: start would begin an event in its middle. Name another state; one without rules ends the event"
            )


class MultilineConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way to join lines to events; exactly one of start, continuation, indented, json and rules.

    start: found in each line that begins an event.
    continuation: found in each line that goes on with one.
    indented: lines that begin with a blank or a tab go on.
    json: an object goes on until its brackets are closed.
    rules: a table of states.
    max_lines, max_bytes: what an event may hold; then it is cut, and says so.
    timeout_seconds: how long an event waits for more.
    """

    start: str | None = None
    continuation: str | None = None
    indented: bool = False
    json: bool = False
    rules: tuple[RuleConfig, ...] = ()
    max_lines: int = 500
    max_bytes: PositiveSize = 256 << 10
    timeout_seconds: PositiveSeconds = 3

    def __post_init__(self) -> None:
        said = [self.start is not None, self.continuation is not None, self.indented, self.json, bool(self.rules)]
        if sum(said) != 1:
            raise ValueError(f"says {sum(said)} ways to join lines. Say one of {_WAYS}")
        if not 1 < self.max_lines <= _LONGEST_LINES:
            raise ValueError(
                f"max_lines: {self.max_lines} is not between 2 and {_LONGEST_LINES}. Write 500, or leave it out"
            )
        if self.max_bytes > _LARGEST_BYTES:
            raise ValueError(
                f"max_bytes: {self.max_bytes} is more than 1MiB. Write at most that: open events are held in memory"
            )
        if self.rules and not any(START in _states(rule) for rule in self.rules):
            raise ValueError("rules: none is from start, so no event ever begins. Add one")


@cache
def ready_multiline() -> Mapping[str, MultilineConfig]:
    """The ready ones by name."""
    text = files("aggregator").joinpath("multiline.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, MultilineConfig])


def build_joining(names: Sequence[str], own: Mapping[str, MultilineConfig]) -> Joining:
    """What joins as all of `names` say together, one's own before ready ones. Raises ValueError with what is wrong and what to do."""
    ready = ready_multiline()
    chosen = {name: own.get(name) or ready.get(name) for name in names}
    unknown = [name for name, config in chosen.items() if config is None]
    if unknown:
        known = ", ".join(dict.fromkeys([*own, *ready]))
        raise ValueError(f"no way to join lines is named {unknown[0]!r}. Use one of: {known}")
    configs = {name: config for name, config in chosen.items() if config is not None}
    limits = _limits_of(list(configs.values()))
    label = "+".join(configs)
    return LineJoining(
        name=label,
        key=f"{label} {msgspec.json.encode(list(configs.values())).decode()}",
        scanner=_scanner_of(configs, limits, own),
        timeout_seconds=max(config.timeout_seconds for config in configs.values()),
    )


def _limits_of(configs: Sequence[MultilineConfig]) -> Limits:
    if not configs:
        raise ValueError("names no way to join lines. Name one, or leave it out")
    return Limits.of(max(one.max_lines for one in configs), max(one.max_bytes for one in configs))


def _scanner_of(configs: Mapping[str, MultilineConfig], limits: Limits, own: Mapping[str, MultilineConfig]) -> Scanner:
    alone = [name for name, config in configs.items() if not (config.rules or config.json)]
    if alone and len(configs) > 1:
        raise ValueError(
            f"{alone[0]!r} says of every line where it belongs, so it cannot be joined with others. Use it alone"
        )
    if alone:
        return _start_scanner(configs[alone[0]], limits)
    rules = [rule for name, config in configs.items() for rule in _rules_of(name, config, is_ours=name not in own)]
    return TableScanner(rules, limits, joins_json=any(config.json for config in configs.values()))


def _start_scanner(config: MultilineConfig, limits: Limits) -> StartScanner:
    if config.start is not None:
        return StartScanner(starts_of(LinePattern(config.start)), limits)
    if config.continuation is not None:
        return StartScanner(others_of(LinePattern(config.continuation)), limits)
    return StartScanner(not_indented, limits)


def _rules_of(name: str, config: MultilineConfig, *, is_ours: bool) -> list[Rule]:
    """Rules of a table. States of one's own are no other table's."""

    def state(said: str) -> str:
        return said if is_ours or said == START else f"{name}.{said}"

    return [
        Rule(tuple(map(state, _states(rule))), LinePattern(rule.regex, is_ours=is_ours), state(rule.to))
        for rule in config.rules
    ]


def _states(rule: RuleConfig) -> Sequence[str]:
    return (rule.sources,) if isinstance(rule.sources, str) else rule.sources
