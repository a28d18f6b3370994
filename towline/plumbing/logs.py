"""Our own logs: JSON lines on stderr, a readable form on a terminal. Configured once, by whoever starts the process.

Room: plumbing. Never enters: anything but the standard library and structlog.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TextIO


def _keep_rich_out() -> None:
    """Import structlog without rich: where rich merely lies in the image, structlog.dev would import it (4 MB in every pod).

    Until structlog imports it only when its tracebacks are drawn. Whoever has imported either before us keeps it.
    """
    if "rich" in sys.modules or "structlog" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # what the import system documents as "not there"
    try:
        __import__("structlog")
    finally:
        del sys.modules["rich"]


_keep_rich_out()
import structlog  # noqa: E402 - only now: see above

Level = Literal["debug", "info", "warning", "error"]
EventDict = MutableMapping[str, Any]
Renderer = Callable[[Any, str, EventDict], str]

MASK = "***"
_SECRET_KEY = re.compile(
    r"(^|[_-])(api_?key|app_?key|token|secret|password|passwd|authorization|credentials?)$", re.IGNORECASE
)
_SECRET_IN_TEXT = re.compile(
    r"(?P<bearer>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<user>\b[a-z][a-z0-9+.-]*://)[^/\s@]+@"
    r"|(?P<pair>\b(?:dd-api-key|api_?key|x-amz-security-token|authorization|password|secret|token)['\"]?\s*[=:]\s*['\"]?)(?:bearer\s+|basic\s+)?[^\s'\",;&]+",
    re.IGNORECASE,
)
_COLOURS = {"debug": "\x1b[2m", "info": "", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}


def configure_logs(level: Level = "info", stream: TextIO | None = None) -> None:
    """Send structlog's events, and what libraries say through `logging` from warning on, to `stream` (stderr), one event a line."""
    out = sys.stderr if stream is None else stream
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_secrets,
            render_console if out.isatty() else render_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: _LineWriter(out),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        handlers=[_LibraryLogs()], level=max(logging.WARNING, getattr(logging, level.upper())), force=True
    )


def mask_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace what a key's name or a text's form shows to be a secret by `***`."""
    for key, value in event.items():
        event[key] = MASK if _SECRET_KEY.search(key) and value else _masked(value)
    return event


def render_json(_logger: Any, _method: str, event: EventDict) -> str:
    """One JSON object; the event's name first, everything beyond printable ASCII escaped."""
    return json.dumps({"event": event.pop("event", ""), **event}, default=str)


def render_console(_logger: Any, _method: str, event: EventDict) -> str:
    """`12:34:56 warning  event_name key=value ...`, with control characters escaped; a traceback follows on lines of its own."""
    when, level, name = event.pop("timestamp", ""), event.pop("level", ""), event.pop("event", "")
    traceback = event.pop("exception", None)
    facts = "".join(f" {escaped(key)}={_shown(value)}" for key, value in event.items())
    line = f"{when[11:19]} {_COLOURS.get(level, '')}{level:<7} {escaped(name)}\x1b[0m{facts}"
    return "\n".join([line, *(escaped(part) for part in (traceback or "").splitlines())])


def escaped(text: object) -> str:
    """Text that a terminal shows and does not obey: whatever is not printable (control, bidi, lone surrogates) as its escape."""
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown)


def _shown(value: Any) -> str:
    text = escaped(value)
    return text if text and " " not in text and "=" not in text else f'"{text}"'


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRET_IN_TEXT.sub(_mask_match, value)
    if isinstance(value, BaseException):
        return _masked(str(value))
    if isinstance(value, dict):
        return {key: MASK if _SECRET_KEY.search(str(key)) and item else _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value


def _mask_match(match: re.Match[str]) -> str:
    kept = match["bearer"] or match["user"] or match["pair"]
    return f"{kept}{MASK}{'@' if match['user'] else ''}"


class _LineWriter:
    """Writes one event with one call. A stderr that is gone or full must not stop the service: the line is dropped."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def msg(self, line: str) -> None:
        try:
            self._out.write(f"{line}\n")
            self._out.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = warn = error = critical = exception = fatal = failure = log = msg


class _LibraryLogs(logging.Handler):
    """What asyncio and other libraries say through `logging`, as one event of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            facts["exc_info"] = record.exc_info
        log = structlog.get_logger()
        (log.error if record.levelno >= logging.ERROR else log.warning)("library_log_written", **facts)
