"""Names of log groups and log streams made of a pod's identity, always within CloudWatch's rules.

Room: aggregator sinks, pure. Never enters: the network. Rules: CreateLogGroup, CreateLogStream.
"""

import re

from aggregator.core.template import Template, shorten
from towline.wire.identity import Origin, Pod

MAX_NAME_CHARS = 512
_NOT_IN_A_VALUE = re.compile(r"[^A-Za-z0-9._#-]")  # narrower than what is allowed: a value makes no `/` of its own
_GROUP_TEXT = re.compile(r"[A-Za-z0-9._/#-]*")
_STREAM_TEXT = re.compile(r"[^:*\x00-\x1f\x7f-\U0010ffff]*")


class Names:
    """(pod, origin) to log group and log stream."""

    def __init__(self, log_group: str, log_stream: str, replica: str) -> None:
        self._group = Template(log_group)
        self._stream = Template(log_stream)
        self._replica = replica

    def group(self, pod: Pod, origin: Origin) -> str:
        return shorten(self._group.render(pod, origin, self._replica, safe_value), MAX_NAME_CHARS)

    def stream(self, pod: Pod, origin: Origin) -> str:
        return shorten(self._stream.render(pod, origin, self._replica, safe_value), MAX_NAME_CHARS)


def safe_value(value: str) -> str:
    """A value as part of a name: everything else than letters, digits and `. _ # -` becomes `_`."""
    return _NOT_IN_A_VALUE.sub("_", value)


def check_names(log_group: str, log_stream: str) -> None:
    """Raises ValueError, whose message names the option, what is wrong with it, and what to do."""
    _check_name("log_group", log_group, _GROUP_TEXT, "letters, digits and . _ - / #")
    _check_name("log_stream", log_stream, _STREAM_TEXT, "ASCII without : and *")
    if log_group.startswith("aws/"):
        raise ValueError("log_group: starts with aws/, which AWS keeps for itself. Choose another beginning")


def _check_name(key: str, text: str, allowed: re.Pattern[str], words: str) -> None:
    if not text:
        raise ValueError(f"{key}: is empty. Write a name, fields in braces")
    try:
        literals = Template(text).literals
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
    if not all(allowed.fullmatch(literal) for literal in literals):
        raise ValueError(f"{key}: holds characters that CloudWatch refuses. Use {words}")
