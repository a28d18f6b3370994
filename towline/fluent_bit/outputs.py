"""`[OUTPUT]` sections to sinks.

Room: fluent_bit. Never enters: which lines an output gets (routes.py). Source: Fluent Bit's manual, "Outputs".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from towline.fluent_bit.context import Context, Rule
from towline.fluent_bit.keys import Keys
from towline.fluent_bit.model import Section
from towline.fluent_bit.names import name_of
from towline.fluent_bit.output_cloudwatch import cloudwatch
from towline.fluent_bit.output_datadog import datadog

PUSHED_FOLDER = "/var/lib/towline/out"
_POD_FILE = "{namespace}/{pod}"
_NETWORK = "the sink's timeout_seconds and lanes do this"


@dataclass(slots=True)
class Output:
    """An output made a sink. `rules`: for its routes, behind those of filters; `own`: keys of `logs:` of what it gets; `secret`: its literal key.

    `takes_lines`: false for what is only asked for metrics.
    """

    section: Section
    name: str
    sink: dict[str, Any]
    rules: list[Rule] = field(default_factory=list)
    own: dict[str, Any] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)
    takes_lines: bool = True


def convert_outputs(sections: Sequence[Section], context: Context) -> list[Output]:
    """All outputs in their order; those that Towline does not know are reported as refused, and left out."""
    made: list[Output] = []
    for section in sections:
        make = OUTPUTS.get(section.name)
        if make is None:
            problem = f"Towline does not send there, and its lines would be lost. Use one of: {', '.join(OUTPUTS)}"
            context.report.section(section, "refused", problem)
            continue
        if section.name == "prometheus_exporter" and any(not other.takes_lines for other in made):
            context.report.section(section, "ignored", "there is one page for all metrics, and another output is it")
            continue
        keys = context.keys(section)
        output = make(keys, context)
        keys.finish("ignored", dict.fromkeys(_network_keys(section), _NETWORK))
        alias = section.text("alias")
        output.name = name_of(alias or str(output.sink["type"]), [other.name for other in made], "out")
        made.append(output)
    return made


def _network_keys(section: Section) -> list[str]:
    return [one.key for one in section.properties if one.key.startswith(("net.", "tls."))]


def _datadog(keys: Keys, context: Context) -> Output:
    found = datadog(keys, context)
    return Output(keys.section, "", found.sink, found.rules, found.own, found.secret)


def _cloudwatch(keys: Keys, context: Context) -> Output:
    sink, rules = cloudwatch(keys, context)
    return Output(keys.section, "", sink, rules)


def _stdout(keys: Keys, context: Context) -> Output:
    path = f"{PUSHED_FOLDER}/stdout/{_POD_FILE}.jsonl"
    keys.ignore(
        dict.fromkeys(("format", "json_date_key", "json_date_format"), "each line is one JSON object with its time")
    )
    context.report.warn(
        keys.section, None, f"the aggregator's output is its own log, so lines go into files: {path} of the aggregator"
    )
    return Output(keys.section, "", {"type": "file", "path": path})


def _file(keys: Keys, context: Context) -> Output:
    folder = _part(keys, "path", "a folder of the aggregator's, with one file for each pod") or PUSHED_FOLDER
    name = _part(keys, "file", "the end of the file's name")
    keys.ignore(
        {
            "mkdir": "folders are made",
            **dict.fromkeys(("format", "delimiter", "label_delimiter", "template"), "each line is one JSON object"),
        }
    )
    path = f"{folder.rstrip('/')}/{_POD_FILE}{f'-{name}' if name else '.jsonl'}"
    context.report.warn(keys.section, None, f"lines go into files of the aggregator, not of the pod: {path}")
    return Output(keys.section, "", {"type": "file", "path": path})


def _part(keys: Keys, key: str, why: str) -> str:
    """A part of a path, as a template."""
    for one in keys.all(key):
        made = keys.template(one, one.value)
        keys.say(one, "mapped", why)
        return made
    return ""


def _prometheus(keys: Keys, context: Context) -> Output:
    del context
    where = "metrics of all pods stand on the aggregator's /metrics, port 8080"
    for key in ("host", "port"):
        keys.text(key, "", "mapped", where)
    keys.ignore({"add_label": "each pod's series carry its namespace, pod and workload", "add_timestamp": where})
    return Output(keys.section, "", {"type": "prometheus"}, takes_lines=False)


OUTPUTS: Mapping[str, Callable[[Keys, Context], Output]] = {
    "datadog": _datadog,
    "cloudwatch_logs": _cloudwatch,
    "cloudwatch": _cloudwatch,
    "stdout": _stdout,
    "file": _file,
    "prometheus_exporter": _prometheus,
}
