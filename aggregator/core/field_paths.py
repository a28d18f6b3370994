"""Fields changed by their names: copies, never the mapping at hand. A name with dots is a path where no field is called so.

Room: aggregator core. Never enters: rules.
"""

from collections.abc import Mapping
from typing import Any

from aggregator.core.events import Fields


def without(fields: Fields, name: str) -> Fields:
    """Without a field; the same mapping where it is not there."""
    if name in fields:
        return {key: value for key, value in fields.items() if key != name}
    first, dot, rest = name.partition(".")
    inner = fields.get(first)
    if not dot or not isinstance(inner, Mapping):
        return fields
    left = without(inner, rest)
    return fields if left is inner else {**fields, first: left}


def with_value(fields: Fields, name: str, value: Any) -> Fields:
    """With a field set. A path leads into objects that are there already; it makes none."""
    first, dot, rest = name.partition(".")
    inner = fields.get(first)
    if name in fields or not dot or not isinstance(inner, Mapping):
        return {**fields, name: value}
    return {**fields, first: with_value(inner, rest, value)}
