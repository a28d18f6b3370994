"""The `[SERVICE]` section, and what both files need that Fluent Bit has no word for.

Room: fluent_bit. Never enters: inputs, filters, outputs. Source: Fluent Bit's manual, "Configuration file".
"""

import re
from collections.abc import Mapping
from typing import Any

from towline.fluent_bit.keys import Keys

AGGREGATOR_URL = "${TOWLINE_AGGREGATOR_URL:-http://towline-aggregator:8080}"
AGGREGATOR_LISTEN = "${TOWLINE_AGGREGATOR_LISTEN:-0.0.0.0:8080}"
JOURNAL = "${TOWLINE_JOURNAL:-/var/lib/towline/journal.db}"
_LEVELS: Mapping[str, str] = {
    "off": "error",
    "error": "error",
    "warn": "warning",
    "warning": "warning",
    "info": "info",
    "debug": "debug",
    "trace": "debug",
}
_IGNORED: Mapping[str, str] = {
    "daemon": "a container's program stays in the foreground",
    "log_file": "its own log goes to stderr",
    "plugins_file": "Towline loads no plugins",
    "streams_file": "Towline has no stream processor",
    "coro_stack_size": "there are none",
    "hot_reload": "a changed ConfigMap is read again by itself",
    "hot_reload.ensure_thread_safety": "a changed ConfigMap is read again by itself",
    "health_check": "/api/v1/health is always there",
    **dict.fromkeys(
        ("hc_errors_count", "hc_retry_failure_count", "hc_period"),
        "/api/v1/health says whether the collector's own loop goes on",
    ),
    "multiline_buffer_limit": "an event is cut at max_bytes, with a mark",
    "json.convert_nan_to_null": "lines are sent as they are",
    "windows.maxstdio": "there is no Windows on Fargate",
    "sp.convert_from_str_to_num": "Towline has no stream processor",
}
_PREFIXES: Mapping[str, str] = {
    "storage.": "what waits stays in its file, then in the aggregator's journal",
    "scheduler.": "what is refused is sent again, at growing intervals",
    "dns.": "names are resolved as the system does it",
    "enable_chunk_trace": "`towline explain` shows what becomes of a line",
}


def service(keys: Keys | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the section says for the collector's file, and for the aggregator's."""
    collector: dict[str, Any] = {"aggregator": {"url": AGGREGATOR_URL}}
    aggregator: dict[str, Any] = {"http": {"listen": AGGREGATOR_LISTEN}, "journal": {"path": JOURNAL}}
    level, listen = "info", "127.0.0.1:2020"
    if keys is not None:
        level = _level(keys)
        listen = _listen(keys, listen)
        collector |= _timing(keys)
        _others(keys)
    collector["http"] = {"listen": f"${{TOWLINE_COLLECTOR_LISTEN:-{listen}}}"}
    collector["log_level"] = aggregator["log_level"] = level
    return collector, aggregator


def _level(keys: Keys) -> str:
    written = keys.text("log_level", "info").lower()
    return _LEVELS.get(written, "info")


def _listen(keys: Keys, closed: str) -> str:
    """Where Fluent Bit's server is off, ours is for the pod alone."""
    where = "http.listen of the collector; the paths are Fluent Bit's, and /healthz, /readyz, /metrics"
    is_on = keys.flag("http_server", verdict="mapped", why=where)
    host = keys.text("http_listen", "0.0.0.0", "mapped", where)  # noqa: S104 - Fluent Bit's default
    port = keys.text("http_port", "2020", "mapped", where)
    return f"{f'[{host}]' if ':' in host else host}:{port}" if is_on else closed


def _timing(keys: Keys) -> dict[str, Any]:
    made: dict[str, Any] = {}
    flush = keys.number("flush", 0, "mapped", "flush_seconds of the collector: at most one request for this long")
    if flush:
        made["flush_seconds"] = flush
    grace = keys.number("grace", 0, "mapped", "drain.grace_seconds of the collector")
    if grace > 0:
        made["drain"] = {"grace_seconds": grace, "delivered_seconds": min(5.0, grace)}
    return made


def _others(keys: Keys) -> None:
    for one in (*keys.all("parsers_file"), *keys.all("multiline_parsers_file")):
        keys.say(one, "honoured")
    reasons = dict(_IGNORED)
    for one in keys.section.properties:
        prefix = next((prefix for prefix in _PREFIXES if one.key.startswith(prefix)), None)
        if prefix is not None:
            reasons[one.key] = _PREFIXES[prefix]
    reasons |= {one.key: "is done already" for one in keys.section.properties if re.match(r"@\w+", one.key)}
    keys.finish("ignored", reasons)
