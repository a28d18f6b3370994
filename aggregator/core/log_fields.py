"""What a line says under a name: a member of its JSON object, as a text or as a number.

Room: aggregator core. Never enters: rules, labels.
"""

import math
from collections.abc import Mapping

from aggregator.core.exposition_lines import number

MISSING = object()  # what a field that is not there holds: null is there


def field_of(fields: Mapping[str, object], name: str) -> object:
    """A member by its name, dots included, else by its path: `http.status` is `{"http": {"status": 1}}`. Not there: MISSING."""
    found = fields.get(name, MISSING)
    if found is not MISSING or "." not in name:
        return found
    inner: object = fields
    for part in name.split("."):
        inner = inner.get(part, MISSING) if isinstance(inner, dict) else MISSING
    return inner


def text_of(said: object) -> str:
    """A group or a JSON value as a label's value or as what a pattern searches. What is absent, null or holds others is ""."""
    if isinstance(said, str):
        return said
    if isinstance(said, bool):
        return "true" if said else "false"
    return number(said) if isinstance(said, int | float) else ""


def number_of(said: object) -> float:
    """A group or a JSON value as a number; NaN where it is none. Texts as people write them: `3`, `-0.5`, `1e3`."""
    if isinstance(said, bool) or not isinstance(said, int | float | str) or (isinstance(said, str) and "_" in said):
        return math.nan
    try:
        return float(said)
    except (ValueError, OverflowError):
        return math.nan
