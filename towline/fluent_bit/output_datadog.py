"""The output `datadog`: its site, its key, what it calls lines.

Room: fluent_bit. Never enters: the key itself, beyond handing it on. Source: Fluent Bit's manual, "Datadog".
"""

import re
from dataclasses import dataclass, field
from typing import Any

from towline.fluent_bit.context import Context, Rule
from towline.fluent_bit.keys import Keys
from towline.fluent_bit.names import MESSAGE

KEY_FILE = "/etc/towline/secrets/datadog-api-key"
KEY_VARIABLE = "DD_API_KEY"
_DEFAULT_HOST = "http-intake.logs.datadoghq.com"
_SITE = re.compile(r"(?:https?://)?(?:agent-)?http-intake\.logs\.([a-z0-9.-]+)", re.IGNORECASE)
_REFUSED = {
    "proxy": "Towline calls Datadog itself. Name what stands between in Host, or take the key out",
    "header": "Towline sends no headers of yours. Take it out",
    "http_user": "Towline sends no password to Datadog. Take it out",
}
_IGNORED = {
    "dd_hostname": "without nodes, the pod is the host",
    "provider": "tags name the pod and its workload",
    "json_date_key": "the time goes where Datadog looks for it",
    "port": "https has its own",
    **dict.fromkeys(
        ("include_tag_key", "tag_key"), "a tag is Fluent Bit's own; filename and dirname say where a line came from"
    ),
    "tls.verify": "certificates are always verified",
    "tls.debug": "certificates are always verified",
}


@dataclass(slots=True)
class Datadog:
    """`own`: keys of `logs:`. `secret`: the key where it is written out."""

    sink: dict[str, Any]
    rules: list[Rule] = field(default_factory=list)
    own: dict[str, Any] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)


def datadog(keys: Keys, context: Context) -> Datadog:
    """What the section says."""
    made = Datadog({"type": "datadog", **_address(keys)})
    # For proxies and tests; what Fluent Bit's own Host says, where it says something, is the default.
    made.sink["logs_url"] = f"${{TOWLINE_DATADOG_LOGS_URL:-{made.sink.get('logs_url', '')}}}"
    made.sink["api_url"] = "${TOWLINE_DATADOG_API_URL:-}"
    _api_key(keys, made, context)
    _encryption(keys, context)
    if keys.text("compress", "", "honoured").lower() == "gzip":
        made.sink["compression"] = "gzip"
    made.sink["metrics"] = {"send": "none"}
    for key, ours in (("dd_service", "service"), ("dd_source", "source")):
        value = keys.later(key, "", "mapped", f"`{ours}` of the collector's logs")
        if value:
            made.own[ours] = value
    tags = keys.later("dd_tags", "", "mapped", "`tags` of the collector's logs")
    if tags:
        made.own["tags"] = [tag.strip() for tag in tags.split(",") if tag.strip()]
    _message_key(keys, made, context)
    keys.refuse(_REFUSED)
    keys.ignore(_IGNORED)
    return made


def _address(keys: Keys) -> dict[str, Any]:
    host = keys.text("host", _DEFAULT_HOST, "mapped", "`site`, or `logs_url` where it is no host of Datadog's")
    site = _SITE.fullmatch(host)
    if site:
        return {"site": site[1].lower()}
    return {"logs_url": f"https://{re.sub('^https?://', '', host)}"}


def _api_key(keys: Keys, made: Datadog, context: Context) -> None:
    found = keys.all("apikey")
    if not found:
        context.report.section(keys.section, "refused", "has no apikey. Write apikey ${DD_API_KEY}, and set that")
        return
    one, variables = found[0], keys.variables
    name = variables.only_variable(one.value)
    if name == KEY_VARIABLE:
        keys.say(one, "honoured", f"from the environment's {KEY_VARIABLE}")
        return
    made.sink["api_key_file"] = KEY_FILE
    if name:
        keys.say(one, "mapped", f"api_key_file: put what {name} holds into {KEY_FILE}, or set {KEY_VARIABLE} to it")
        made.secret = one.value
        return
    keys.say(one, "mapped", f"api_key_file: put the key into {KEY_FILE}, from a Secret")
    made.secret = one.value
    context.report.warn(
        keys.section,
        one,
        "the API key is written into the configuration, where whoever may read the ConfigMap reads it. "
        f"Move it to a Secret, and write ${{{KEY_VARIABLE}}} here",
    )


def _encryption(keys: Keys, context: Context) -> None:
    found = next(iter(keys.all("tls")), None)
    if keys.flag("tls", verdict="mapped", why="https, always"):
        return
    context.report.warn(
        keys.section,
        found,
        "names no `tls on`, so Fluent Bit would send the API key in clear text. Towline sends it by HTTPS all the same",
    )


def _message_key(keys: Keys, made: Datadog, context: Context) -> None:
    """Another field than the line is what a human reads; the line, where there is one, keeps Fluent Bit's name for it."""
    name = context.field(keys.text("dd_message_key", "log", "mapped", "rules `rename`"))
    if name != MESSAGE:
        there: Rule = {"field": name, "exists": True}
        made.rules = [
            {"rename": {MESSAGE: "log"}, "when": there},
            {"rename": {name: MESSAGE}},
        ]
