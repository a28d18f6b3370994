"""The outputs `cloudwatch_logs` and `cloudwatch` (its older twin): groups, streams, what of a record is sent.

Room: fluent_bit. Never enters: credentials. Source: Fluent Bit's manual, "Amazon CloudWatch"; the AWS plugin's README.
"""

import re
from collections.abc import Mapping
from typing import Any

from towline.fluent_bit.context import Context, Rule
from towline.fluent_bit.keys import Keys
from towline.fluent_bit.names import MESSAGE
from towline.plumbing.address import check_url

_CREDENTIALS = "the aggregator's own service account (IRSA) has the role. Give it that, and take the key out"
_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("role_arn", "external_id", "profile", "credentials_endpoint", "sts_endpoint"), _CREDENTIALS),
    **dict.fromkeys(
        ("metric_namespace", "metric_dimensions"), "Towline's sink has `metrics` of its own. Take it out, and see docs"
    ),
}
_IGNORED: Mapping[str, str] = {
    "auto_create_stream": "groups and streams that do not exist are made",
    "auto_create_group": "groups and streams that do not exist are made; `create: false` makes neither",
    "auto_retry_requests": "everything is sent again until it is taken",
    "extra_user_agent": "requests name Towline",
    "log_group_class": "groups are made of the standard class",
    "log_format": "members of a line in the embedded metric format are sent as they are",
    "add_entity": "the group and the stream name the workload",
    "log_group_tags": "groups are made without tags",
    "new_log_group_tags": "groups are made without tags",
}
# Record accessors of the kubernetes filter, and Fluent Bit's `$(...)` of the older plugin.
_ACCESSOR = re.compile(r"\$\(?(?P<root>[A-Za-z0-9_]+)(?P<rest>(?:\['[^']+'\])*)\)?")
_FIELDS: Mapping[str, str] = {
    "kubernetes.namespace_name": "{namespace}",
    "kubernetes.pod_name": "{pod}",
    "kubernetes.pod_id": "{uid}",
    "kubernetes.host": "{node}",
    "kubernetes.container_name": "{container}",
}
_LABEL = "kubernetes.labels."


def cloudwatch(keys: Keys, context: Context) -> tuple[dict[str, Any], list[Rule]]:
    """The sink, and the rules of its routes."""
    sink: dict[str, Any] = {"type": "cloudwatch"}
    region = keys.later("region")
    if region:
        sink["region"] = region
    group = _named(keys, "log_group", context)
    stream = _named(keys, "log_stream", context)
    prefix = _template(
        keys, "log_stream_prefix", "mapped", "log_stream: the prefix, and the pod's name instead of a tag"
    )
    if group:
        sink["log_group"] = group
    sink["log_stream"] = stream or f"{prefix}{{pod}}"
    endpoint = keys.later("endpoint", "", "mapped", "endpoint_url")
    if endpoint:
        sink["endpoint_url"] = _url(endpoint)
    days = keys.number("log_retention_days", 0, "mapped", "retention_days")
    if days:
        sink["retention_days"] = int(days)
    rules: list[Rule] = []
    key = keys.text("log_key", "", "mapped", "a rule `only`")
    if key:
        name = context.field(key)
        rules = [{"rename": {name: MESSAGE}}] if name != MESSAGE else []
        rules.append({"only": [MESSAGE], "when": {"field": MESSAGE, "exists": True}})
    keys.refuse(_REFUSED)
    keys.ignore(_IGNORED)
    return sink, rules


def _named(keys: Keys, what: str, context: Context) -> str:
    """`log_group_template` where all that it asks for is known here, else `log_group_name`."""
    name = _template(keys, f"{what}_name")
    if "$(" in name:  # of the older plugin, which names streams by parts of the tag
        found = next(iter(keys.all(f"{what}_name")))
        context.report.warn(keys.section, found, f"asks for more than the pod's identity: {what} is Towline's default")
        name = ""
    name = name or _template(keys, f"default_{what}_name")
    for one in keys.all(f"{what}_template"):
        made = _from_accessors(keys.template(one, one.value))
        if made:
            keys.say(one, "mapped", f"{what}: {made}")
            return made
        keys.say(one, "ignored", f"a stream's name is made of its pod's identity alone: {what}_name is used")
        context.report.warn(keys.section, one, f"asks for more than the pod's identity, so {what}_name is used")
    return name


def _template(keys: Keys, key: str, verdict: Any = "honoured", why: str = "") -> str:
    """A name in which braces are letters."""
    for one in keys.all(key):
        made = keys.template(one, one.value)
        keys.say(one, verdict, why)
        return _from_accessors(made) or made
    return ""


def _from_accessors(text: str) -> str:
    """`$kubernetes['namespace_name']` as `{namespace}`; "" where something is asked for that is not known."""
    unknown = False

    def field(match: re.Match[str]) -> str:
        nonlocal unknown
        path = ".".join([match["root"], *re.findall(r"\['([^']+)'\]", match["rest"])])
        if path.startswith(_LABEL):
            return f"{{labels[{path.removeprefix(_LABEL)}]}}"
        unknown = unknown or path not in _FIELDS
        return _FIELDS.get(path, "")

    made = _ACCESSOR.sub(field, text.replace("${", "\0"))
    return "" if unknown else made.replace("\0", "${")


def _url(endpoint: str) -> str:
    try:
        check_url(endpoint)
    except ValueError:
        return f"https://{endpoint}"
    return endpoint
