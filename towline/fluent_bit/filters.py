"""`[FILTER]` sections to rules: what each plugin does to a record, in the words of our routes.

Room: fluent_bit. Never enters: which lines a filter is for (routes.py). Source: Fluent Bit's manual, "Filters".
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from towline.fluent_bit.context import OF_POD, Context, Rule
from towline.fluent_bit.filter_modify import modify
from towline.fluent_bit.keys import Keys, words
from towline.fluent_bit.model import Section
from towline.fluent_bit.names import MESSAGE
from towline.fluent_bit.parsers import json_within

_INTERVAL = re.compile(r"([0-9.]+)\s*([smhd]?)")
_SECONDS: Mapping[str, int] = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_NO_API = "nobody asks the API: the collector knows its own pod"
_AS_TAGS = "destinations get them as tags, and templates as {labels[...]} and {annotations[...]}"
_KUBERNETES: Mapping[str, str] = {
    **dict.fromkeys(("kube_url", "kube_ca_file", "kube_ca_path", "kube_token_file", "kube_token_command"), _NO_API),
    **dict.fromkeys(("kube_tag_prefix", "regex_parser", "use_tag_for_meta", "tls.debug", "tls.verify"), _NO_API),
    **dict.fromkeys(("tls.verify_hostname", "kube_token_ttl", "kube_meta_cache_ttl", "buffer_size"), _NO_API),
    **dict.fromkeys(("kube_meta_preload_cache_dir", "dummy_meta", "dns_retries", "dns_wait_time"), _NO_API),
    **dict.fromkeys(("use_kubelet", "kubelet_port", "kubelet_host", "use_journal", "cache_use_docker_id"), _NO_API),
    **dict.fromkeys(("labels", "annotations", "owner_references"), _AS_TAGS),
    **dict.fromkeys(("namespace_labels", "namespace_annotations", "namespace_metadata_only"), _NO_API),
    "kube_meta_namespace_cache_ttl": _NO_API,
    "k8s-logging.parser": "the annotation fluentbit.io/parser is not read: give the route a parser",
    "k8s-logging.exclude": "the annotation fluentbit.io/exclude is not read: a pod without the sidecar sends nothing",
    "merge_log_trim": "line ends are no part of a line",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter made rules. `parse`: parsers of the line; `joins`: multiline rules; `always`: it stands within its input, and asks for no tag."""

    section: Section
    rules: list[Rule] = field(default_factory=list)
    parse: list[str] = field(default_factory=list)
    joins: list[str] = field(default_factory=list)
    always: bool = False


def convert_filter(section: Section, context: Context) -> Filter | None:
    """None where Towline has nothing of the kind, or nothing is left of it; which is reported."""
    if section.name == "multiline":
        return _multiline(section, context)
    if section.name == "aws":
        context.report.section(
            section, "ignored", "there is no instance metadata on Fargate, and Towline asks for none"
        )
        return None
    make = FILTERS.get(section.name)
    if make is None:
        known = ", ".join((*FILTERS, "multiline"))
        problem = f"Towline has no such filter, and lines would go on without it. Take it out, or use one of: {known}"
        context.report.section(section, "refused", problem)
        return None
    keys = context.keys(section)
    made = make(keys, context)
    keys.finish("refused")
    return made


def _record_modifier(keys: Keys, context: Context) -> Filter:
    """Fields are removed before others are added, whatever their order in the section."""
    rules: list[Rule] = []
    removed = keys.all("remove_key")
    kept = [*keys.all("allowlist_key"), *keys.all("whitelist_key")]
    given: dict[str, str] = {}
    for one in (*removed, *kept):
        keys.say(one, "mapped", "a rule `remove`" if one.key == "remove_key" else "a rule `only`")
    for one in keys.all("record"):
        name, value = [*words(one.value, 2), "", ""][:2]
        if not name:
            keys.say(one, "refused", "names no field. Write one, and its value")
            continue
        given[name] = keys.template(one, value)
        keys.say(one, "mapped", "a rule `set`")
    keys.ignore({"uuid_key": "`event_id: true` of a sink gives each line an id that is the same when it is sent again"})
    if removed:
        rules.append({"remove": [context.field(one.value.strip()) for one in removed]})
    if kept:
        rules.append({"only": [context.field(one.value.strip()) for one in kept]})
    if given:
        rules.append({"set": given})
    return Filter(keys.section, rules)


def _grep(keys: Keys, context: Context) -> Filter:
    logical = keys.text("logical_op", "legacy").lower()
    asked: list[tuple[str, Rule]] = []
    for one in keys.section.properties:
        if one.key not in {"regex", "exclude"}:
            continue
        name, pattern = [*one.value.split(None, 1), "", ""][:2]
        if not pattern:
            keys.say(one, "refused", "names no field, or no pattern. Write both, as in log ^ERROR")
            continue
        try:
            condition: Rule = {
                "field": context.asked_field(name),
                "matches": context.pattern(pattern.strip()),
            }
        except ValueError as error:
            keys.say(one, "refused", str(error))
            continue
        keys.say(one, "mapped", "a rule `keep`" if one.key == "regex" else "a rule `drop`")
        asked.append(("keep" if one.key == "regex" else "drop", condition))
    kinds = {kind for kind, _ in asked}
    if logical in {"and", "or"} and len(asked) > 1:
        if len(kinds) > 1:
            keys.report.section(
                keys.section, "refused", "Logical_Op with Regex and Exclude together. Use one of the two"
            )
        together = "all" if logical == "and" else "any"
        return Filter(keys.section, [{kinds.pop(): {together: [condition for _, condition in asked]}}])
    return Filter(keys.section, [{kind: condition} for kind, condition in asked])


def _parser(keys: Keys, context: Context) -> Filter:
    name = context.field(keys.text("key_name", "log", "mapped", "a rule `parse`"))
    keep = keys.flag("preserve_key")
    keys.text("reserve_data", "off", "mapped", "fields that other filters gave before stay, also where it is off")
    keys.ignore({"unescape_key": "JSON is read with its escapes"})
    parsers = []
    for one in keys.all("parser"):
        keys.say(one, "honoured")
        used = context.parsers.use(keys.now(one), (keys.section, one))
        parsers += [used] if used else []
    if not parsers:
        return Filter(keys.section)
    after = context.parsers.rules_after(parsers)
    if name == MESSAGE and not keep:
        return Filter(keys.section, after, parse=parsers)
    return Filter(keys.section, [parse_rule(name, parsers, keep=keep), *after])


def parse_rule(name: str, parsers: list[str], *, keep: bool = False) -> Rule:
    return {"parse": {"field": name, "with": parsers[0] if len(parsers) == 1 else parsers, "keep": keep}}


def _nest(keys: Keys, context: Context) -> Filter:
    operation = keys.text("operation").lower()
    prefix, removed = keys.text("add_prefix"), keys.text("remove_prefix")
    if operation == "nest":
        fields = [context.field(one.value.strip()) for one in keys.all("wildcard")]
        for one in keys.all("wildcard"):
            keys.say(one, "mapped", "a rule `nest`")
        made: Rule = {"fields": fields, "under": keys.text("nest_under")}
        if prefix:
            keys.report.section(keys.section, "refused", "Towline's rule `nest` adds no prefix. Take Add_prefix out")
        return Filter(keys.section, [{"nest": made | ({"remove_prefix": removed} if removed else {})}])
    if operation != "lift":
        keys.report.section(keys.section, "refused", "Operation is neither nest nor lift. Write one of the two")
    if removed:
        keys.report.section(keys.section, "refused", "Towline's rule `lift` removes no prefix. Take Remove_prefix out")
    lifted: Rule = {"field": context.field(keys.text("nested_under"))}
    return Filter(keys.section, [{"lift": lifted | ({"prefix": prefix} if prefix else {})}])


def _throttle(keys: Keys, context: Context) -> Filter:
    del context
    rate, window = keys.number("rate", 1), keys.number("window", 5)
    match = _INTERVAL.fullmatch(keys.text("interval", "1s"))
    keys.ignore({"print_status": "aggregator_records_dropped_total says how many were dropped by which rule"})
    if match is None or rate <= 0:
        keys.report.section(keys.section, "refused", "Rate or Interval is not a number. Write them as 100 and 1s")
        return Filter(keys.section)
    per_second = rate / (float(match[1]) * _SECONDS[match[2]])
    limit = {"lines_per_second": round(per_second, 6), "burst_lines": max(1, round(rate * window))}
    return Filter(keys.section, [{"rate_limit": limit}])


def _kubernetes(keys: Keys, context: Context) -> Filter:
    given = {f"kubernetes_{name}": template for name, template in OF_POD.items()}
    rules: list[Rule] = [
        {"set": given},
        {"nest": {"fields": list(given), "under": "kubernetes", "remove_prefix": "kubernetes_"}},
    ]
    merges = keys.flag("merge_log", verdict="mapped", why="a rule `parse`")
    keeps = keys.flag("keep_log", default=True)
    under = keys.text("merge_log_key")
    parser = ""
    for one in keys.all("merge_parser"):
        keys.say(one, "honoured")
        parser = context.parsers.use(keys.now(one), (keys.section, one))
    if under and merges:
        found = next(iter(keys.all("merge_log_key")))
        keys.say(found, "refused", "fields of the line stand beside the others here. Take the key out")
    if merges and parser:
        rules.append(parse_rule(MESSAGE, [parser], keep=keeps))
    elif merges:
        rules.append(json_within(MESSAGE, context.parsers.plain_json(), keep=keeps))
    keys.ignore(_KUBERNETES)
    keys.report.section(
        keys.section, "mapped", f"{', '.join(OF_POD)} under `kubernetes`, of the pod as it knows itself; {_AS_TAGS}"
    )
    return Filter(keys.section, rules)


def _multiline(section: Section, context: Context) -> Filter:
    keys = context.keys(section)
    joined: list[str] = []
    for one in keys.all("multiline.parser"):
        names, parsed = context.joins.use(keys.now(one), (section, one))
        joined += names
        keys.say(one, "ignored" if parsed else "mapped", "multiline of the route")
    if context.field(keys.text("multiline.key_content", "log", "mapped", "the line itself")) != MESSAGE:
        context.report.section(section, "refused", "Towline joins lines, not other fields. Take the filter out")
    if keys.text("mode", "parser").lower() == "partial_message":
        context.report.section(section, "ignored", "lines of a file come whole: no runtime has cut them")
        joined = []
    keys.finish(
        "refused",
        {
            **dict.fromkeys(("buffer", "debug_flush", "emitter_name"), "open events are held by the aggregator"),
            **dict.fromkeys(
                ("emitter_storage.type", "emitter_mem_buf_limit"), "open events are held by the aggregator"
            ),
            "flush_ms": "an event is complete by the next one's start, or 3 s after its last line",
        },
    )
    return Filter(section, joins=joined)


def _modify(keys: Keys, context: Context) -> Filter:
    return Filter(keys.section, modify(keys, context))


FILTERS: Mapping[str, Callable[[Keys, Context], Filter]] = {
    "record_modifier": _record_modifier,
    "modify": _modify,
    "grep": _grep,
    "parser": _parser,
    "nest": _nest,
    "throttle": _throttle,
    "kubernetes": _kubernetes,
}
