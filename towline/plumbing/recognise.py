"""Tells a Fluent Bit configuration from one of ours, by its content, and what both programs say of one: what would convert it is only loaded where it is needed.

Room: plumbing. Never enters: what such a file says (towline/fluent_bit).
"""

import re
from collections.abc import Sequence
from pathlib import Path

_MAX_BYTES = 1 << 20
_SECTION = re.compile(
    r"^[ \t]*\[(service|input|filter|output|parser|multiline_parser|custom)\]\s*$", re.IGNORECASE | re.MULTILINE
)
_META = re.compile(r"^[ \t]*@(include|set)\s", re.IGNORECASE | re.MULTILINE)
# Top keys of Fluent Bit's YAML form that neither of our files has.
_YAML_KEY = re.compile(r"^(pipeline|includes|service|multiline_parsers)\s*:", re.MULTILINE)
_YAML_KEY_INSIDE = re.compile(r"^[ \t]+(pipeline|multiline_parsers)\s*:", re.MULTILINE)
_CONFIG_MAP = re.compile(r"^[ \t]*(?:- )?['\"]?kind['\"]?\s*:\s*['\"]?ConfigMap\b", re.MULTILINE)
_NOTHING = re.compile(r"^[ \t]*(#|$)")


def is_fluent_bit(file: Path) -> bool:
    """Whether a file is a Fluent Bit configuration (classic or YAML), or a manifest with a ConfigMap that holds one.

    False where it cannot be read: whoever reads it then says why.
    """
    if file.is_dir():
        return any(file.glob("*.conf"))
    try:
        with file.open("rb") as stream:
            text = stream.read(_MAX_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return False
    return is_fluent_bit_text(text)


def is_classic(text: str) -> bool:
    """Whether the first line that says anything is one of Fluent Bit's classic format."""
    first = next((line for line in text.splitlines() if not _NOTHING.match(line)), "")
    return bool(_SECTION.match(first) or _META.match(first))


def is_fluent_bit_text(text: str) -> bool:
    """As is_fluent_bit, of a text."""
    if is_classic(text):
        return True
    if _CONFIG_MAP.search(text):
        return bool(_SECTION.search(text) or _YAML_KEY_INSIDE.search(text))
    return bool(_YAML_KEY.search(text))


def note_files(files: list[Path] | None, found: Sequence[Path]) -> None:
    """Say which files a configuration was read from, where somebody watches them. At once: another thread may be looking."""
    if files is not None:
        files[:] = dict.fromkeys(found)


def say_notices(notices: Sequence[str]) -> None:
    """Log what whoever runs an adapted configuration should know."""
    import structlog  # noqa: PLC0415 - logs.py decides what of it is loaded, so not before that

    for notice in notices:
        structlog.get_logger().warning("configuration_adapted", reason=notice)
