"""What stands in a match's place.

Room: aggregator core. Never enters: engines; where matches are.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

_REFERENCES = re.compile(r"\\(?:g<(\w+)>|([1-9]\d?)|(\\)|(.?))", re.DOTALL)


@lru_cache(maxsize=1000)
def replacement_parts(replacement: str) -> tuple[str, ...]:
    r"""Texts and, between each two of them, the group (name or number) that stands there: `\1`, `\g<1>`, `\g<name>`; `\\` is one backslash."""
    parts, at = [""], 0
    for found in _REFERENCES.finditer(replacement):
        parts[-1] += replacement[at : found.start()]
        group = found[1] or found[2]
        if group:
            parts += [group, ""]
        else:
            parts[-1] += found[3] or found[0]
        at = found.end()
    parts[-1] += replacement[at:]
    return tuple(parts)


def filled(parts: Sequence[str], found: Any) -> str:
    """The replacement of one match; a group that took no part in it is empty."""
    if len(parts) == 1:
        return parts[0]
    made = list(parts)
    for at in range(1, len(parts), 2):
        group = parts[at]
        made[at] = found[int(group) if group.isdigit() else group] or ""
    return "".join(made)
