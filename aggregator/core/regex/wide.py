"""RE2 for what `re` might take too long for. Any pattern that it takes it searches in time linear in the text.

Room: aggregator core. Never enters: which pattern goes where.

Texts go in as UTF-8: with `str` the package counts characters again for every match, which takes three times as long.
"""

import importlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from aggregator.core.regex.printing import re2_text
from aggregator.core.regex.tree import Node


class NotWideError(Exception):
    """What of a pattern RE2 cannot do."""


def wide(node: Node, *, captures: bool = True) -> Any:
    """A compiled pattern for bytes of UTF-8. Without `captures` it is faster at saying whether there is a match. Raises NotWideError."""
    return compiled(re2_text_of(node), captures=captures)


def re2_text_of(node: Node) -> str:
    """Raises NotWideError."""
    try:
        return re2_text(node)
    except ValueError as error:
        raise NotWideError(str(error)) from error


def compiled(pattern: str | bytes, *, captures: bool = True) -> Any:
    """Bytes are bytes; a text is a pattern of UTF-8. Raises NotWideError."""
    re2 = _re2()
    options = re2.Options()
    options.log_errors = False  # they would go to stderr, past our logs
    options.never_capture = not captures
    if isinstance(pattern, bytes):
        options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise NotWideError("patterns or counts of this size") from error


@cache
def _re2() -> Any:
    """Imported by the first pattern: an aggregator without any need not hold its 2.7 MB."""
    return importlib.import_module("re2")


def encoded(text: str) -> bytes:
    """A lone surrogate, which no log line has, becomes a question mark."""
    return text.encode("utf-8", "replace")


def matches(pattern: Any, text: str) -> Iterator[Any]:
    """Every match, with places in characters."""
    found: Iterator[Any] = pattern.finditer(encoded(text).decode())
    return found
