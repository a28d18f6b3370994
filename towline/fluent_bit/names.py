"""Names of fields, sinks and routes, as our configuration writes them.

Room: fluent_bit. Never enters: sections.
"""

import re
from collections.abc import Collection

MESSAGE = "message"
_ACCESSOR = re.compile(r"\$(?P<name>[^\[\]'\"$]+)(?P<rest>(?:\[(?:'[^']*'|\"[^\"]*\"|\d+)\])*)")
_PART = re.compile(r"\[(?:'([^']*)'|\"([^\"]*)\"|(\d+))\]")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")


def field_of(key: str, line_key: str = "log") -> str:
    """A field as our rules name it: the line itself, `log` in Fluent Bit, is `message`; `$a['b']` is `a.b`."""
    accessor = _ACCESSOR.fullmatch(key)
    if accessor:
        parts = [accessor["name"], *("".join(part) for part in _PART.findall(accessor["rest"]))]
        key = ".".join(parts)
    return MESSAGE if key == line_key else key


def name_of(text: str, taken: Collection[str], default: str) -> str:
    """A name of letters, digits, `-` and `_` made of `text`, that nobody has yet."""
    base = _NOT_IN_A_NAME.sub("_", text).strip("_-")[:50] or default
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name
