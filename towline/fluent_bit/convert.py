"""The one path from a Fluent Bit configuration to Towline's two files; `towline convert` writes them, a start reads them.

Room: fluent_bit, the top. Never enters: the collector and the aggregator, which check what was made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from towline.fluent_bit.classic import read_classic
from towline.fluent_bit.context import Context
from towline.fluent_bit.exclusions import in_order
from towline.fluent_bit.filters import Filter, convert_filter
from towline.fluent_bit.inputs import Lines, metrics, state_dir_of, tail
from towline.fluent_bit.keys import Keys
from towline.fluent_bit.logs import DEFAULT_LOGS, Logs
from towline.fluent_bit.means import Means
from towline.fluent_bit.model import Section, Setup
from towline.fluent_bit.multiline import Joins
from towline.fluent_bit.outputs import Output, convert_outputs
from towline.fluent_bit.parsers import Parsers
from towline.fluent_bit.patterns import Patterns
from towline.fluent_bit.report import Report
from towline.fluent_bit.routes import routes_of
from towline.fluent_bit.service import service
from towline.fluent_bit.source import Texts, open_texts
from towline.fluent_bit.tags import Tagged
from towline.fluent_bit.variables import UnsetError, Variables
from towline.fluent_bit.yaml_form import read_yaml_form
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place
from towline.plumbing.recognise import is_classic, is_fluent_bit_text

METRIC_INPUTS = ("prometheus_scrape", "statsd")
INPUTS = ("tail", *METRIC_INPUTS)


@dataclass(frozen=True, slots=True)
class Converted:
    """Both files as plain values, as YAML would hold them: `${VAR}` is not replaced yet. `secrets`: literal keys, by sink."""

    collector: dict[str, Any]
    aggregator: dict[str, Any]
    report: Report
    secrets: Mapping[str, str]
    variables: Variables

    def __repr__(self) -> str:
        """Without its secrets."""
        return f"Converted({self.report.name})"


def read_setup(path: Path, files: list[Path] | None = None) -> Setup:
    """All sections of a configuration; `files`: as of Means. Raises ConfigError where it cannot be read."""
    texts, setup = open_texts(path, [] if files is None else files), Setup()
    for name, text in texts.main:
        _read(text, name, texts, setup)
    for section in setup.of("service"):
        for one in (*section.all("parsers_file"), *section.all("multiline_parsers_file")):
            found = texts.named(Variables(setup.variables, {}).later(one.value), from_file=one.file)
            for name, text in found:
                _read(text, name, texts, setup)
            if not found:
                setup.missing.append(one)
    return setup


def convert(path: Path, env: Mapping[str, str], means: Means | None = None) -> Converted:
    """Convert what `path` holds. Raises ConfigError where it cannot be read; what Towline does not do is in the report.

    `env` is asked only for what decides how the rest is converted.
    """
    means = Means() if means is None else means
    setup = read_setup(path, means.files)
    patterns = Patterns(Variables(setup.variables, env), means.check)
    try:
        return _Conversion(setup, Report(str(path)), patterns).run()
    except UnsetError as error:
        raise ConfigError(Place(str(path)).says(str(error))) from None


def _read(text: str, name: str, texts: Texts, setup: Setup) -> None:
    is_yaml = name.removesuffix(")").endswith((".yaml", ".yml")) or is_fluent_bit_text(text)
    if is_yaml and not is_classic(text):
        read_yaml_form(text, name, texts, setup)
    else:
        read_classic(text, name, texts, setup)


class _Conversion:
    def __init__(self, setup: Setup, report: Report, patterns: Patterns) -> None:
        self._setup, self._report, self._variables = setup, report, patterns.variables
        keys = {section.text("key").strip() for section in setup.of("input")}
        self._context = Context(
            report=report,
            variables=patterns.variables,
            patterns=patterns,
            parsers=Parsers(setup.of("parser"), report, patterns, lines=_joins_lines(setup)),
            joins=Joins(setup.of("multiline_parser"), report, patterns),
            line_keys=frozenset({"log", *keys} - {""}),
            knows_pod=any(section.name == "kubernetes" for section in setup.of("filter")),
            lines_in_fields=_may_hold_lines(setup),
        )

    def run(self) -> Converted:
        services = self._setup.of("service")
        keys = Keys(services[0], self._report, self._variables) if services else None
        collector, aggregator = service(keys)
        self._say_missing(services)
        lines = self._lines()
        measured = metrics([one for one in self._setup.of("input") if one.name in METRIC_INPUTS], self._context)
        filters = self._filters(self._setup.of("filter"))
        outputs = convert_outputs(self._setup.of("output"), self._context)
        logs, routes = self._routes(lines, filters, outputs)
        serves_metrics = any(not output.takes_lines for output in outputs)
        collector["state_dir"] = f"${{TOWLINE_STATE_DIR:-{state_dir_of(lines)}}}"
        collector["logs"] = logs
        collector["metrics"] = measured or ({} if serves_metrics else {"interval_seconds": 0})
        aggregator |= self._tools()
        aggregator["sinks"] = {output.name: output.sink for output in outputs}
        aggregator["routes"] = routes
        self._context.parsers.report_unused()
        self._context.joins.report_unused()
        self._say_if_nothing_is_left(lines, outputs, routes)
        secrets = {output.name: output.secret for output in outputs if output.secret is not None}
        return Converted(collector, aggregator, self._report, secrets, self._variables)

    def _lines(self) -> list[Lines]:
        found: list[Lines] = []
        inputs = self._setup.of("input")
        for section in inputs:
            if section.name == "tail":
                number = len(found)
                found.append(tail(section, number, self._context))
            elif section.name not in INPUTS:
                problem = f"Towline has no such input. Take it out, or use one of: {', '.join(INPUTS)}"
                self._report.section(section, "refused", problem)
        if not inputs:
            found.append(self._every_pod())
        return found

    def _every_pod(self) -> Lines:
        """A configuration without any input is that of EKS on Fargate's own router, which reads the output of all containers."""
        section = Section("input", [], self._report.name, 0)
        why = f"there is no [INPUT]: routes are for all that collectors send, and this collector reads {DEFAULT_LOGS}"
        self._report.section(section, "mapped", why)
        self._report.warn(
            section, None, "nothing in a pod can read another container's output: have the app write to files"
        )
        return Lines(section, "kube.*", [Tagged("", "kube.*")])

    def _filters(self, sections: Sequence[Section]) -> list[Filter]:
        made = (convert_filter(section, self._context) for section in sections)
        return [one for one in made if one is not None]

    def _routes(
        self, inputs: Sequence[Lines], filters: Sequence[Filter], outputs: Sequence[Output]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """`logs:` of the collector and `routes:` of the aggregator."""
        logs, taken = Logs(), set[str]()
        routes: list[dict[str, Any]] = []
        own = {
            id(lines.section): [replace(one, always=True) for one in self._filters(lines.section.inside)]
            for lines in inputs
        }
        for lines in in_order(inputs, self._context):
            reached = routes_of(lines, [*own[id(lines.section)], *filters], outputs, self._context, taken)
            routes += reached.routes
            if reached.routes:
                self._say_overlaps(lines, logs)
                logs.add(lines, reached.files)
            elif not lines.is_part:
                self._report.section(lines.section, "ignored", "no output matches its tag, so its files are not read")
        return logs.made(), routes

    def _say_overlaps(self, lines: Lines, before: Logs) -> None:
        for tagged in lines.tagged if not lines.is_part else ():
            other = before.reading(tagged.glob, lines)
            if other is not None:
                why = f"reads files that {other} has already. A file is read once: the first input's routes come first"
                self._report.warn(lines.section, lines.section.first("path"), why)

    def _tools(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self._context.parsers.made:
            made["parsers"] = self._context.parsers.made
        if self._context.joins.made:
            made["multiline"] = self._context.joins.made
        return made

    def _say_missing(self, services: Sequence[Section]) -> None:
        for one in self._setup.missing:
            why = "there is no such file: parsers are Towline's own of the same names, where it has them"
            self._report.warn(services[0], one, why)

    def _say_if_nothing_is_left(
        self, inputs: Sequence[Lines], outputs: Sequence[Output], routes: Sequence[Mapping[str, Any]]
    ) -> None:
        """Without routes an aggregator sends everything everywhere, which is not what a Match without a match means."""
        nowhere = Section("output", [], self._report.name, 0)
        if not outputs:
            self._report.section(nowhere, "refused", "no output is left. Add one, such as datadog")
        elif inputs and not routes:
            self._report.section(nowhere, "refused", "no output matches any input's tag. Write Match *")


def _joins_lines(setup: Setup) -> bool:
    """Whether any event may hold several lines."""
    return _has(setup, ("multiline.parser", "parser_firstline"), ("multiline",))


def _may_hold_lines(setup: Setup) -> bool:
    """Whether any field may, the line itself among them: what is parsed may hold anything."""
    return _joins_lines(setup) or _has(setup, ("parser",), ("parser", "kubernetes"))


def _has(setup: Setup, keys: Sequence[str], names: Sequence[str]) -> bool:
    """Whether an input has one of these keys, or a filter one of these names."""
    inputs = setup.of("input")
    filters = [*setup.of("filter"), *(one for section in inputs for one in section.inside)]
    return any(section.first(key) for section in inputs for key in keys) or any(one.name in names for one in filters)
