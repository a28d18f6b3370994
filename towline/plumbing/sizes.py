"""Sizes and durations as people write them: `2GiB`, `512MiB`, `7d`, `300s`, plain numbers.

Room: plumbing. Never enters: files, clocks.
"""

import math
import re
from typing import Annotated, Any

import msgspec

_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", re.ASCII)

# Powers of 1024 in the IEC's words and in Kubernetes' short form, powers of 1000 in the SI's.
SIZE_UNITS: dict[str, int] = {
    "": 1,
    "b": 1,
    **{unit: 1024**power for power, letter in enumerate("kmgt", 1) for unit in (f"{letter}i", f"{letter}ib")},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
}
DURATION_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

# What a config struct says of a field: numbers in base units, written as one likes (config_file.py parses the text).
SIZE_UNIT = {"unit": "bytes"}
DURATION_UNIT = {"unit": "seconds"}
Size = Annotated[int, msgspec.Meta(ge=0, extra=SIZE_UNIT)]
PositiveSize = Annotated[int, msgspec.Meta(gt=0, extra=SIZE_UNIT)]
Seconds = Annotated[float, msgspec.Meta(ge=0, extra=DURATION_UNIT)]
PositiveSeconds = Annotated[float, msgspec.Meta(gt=0, extra=DURATION_UNIT)]


def parse_size(text: str) -> int:
    """Bytes, 0 or more, of `1000`, `512MiB`, `1.5GiB`, `2Gi`, `10MB`. Raises ValueError, whose message says what to write instead."""
    match = _AMOUNT.fullmatch(text)
    factor = SIZE_UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError(
            f"{text!r} is not a size. Write bytes as 1000, or a number with KiB, MiB, GiB, TiB (or kB, MB, GB, TB)"
        )
    whole, dot, _ = match[1].partition(".")
    return math.floor(float(match[1]) * factor) if dot else int(whole) * factor


def parse_duration(text: str) -> float:
    """Seconds, 0 or more, of `300`, `0.3`, `300s`, `250ms`, `5m`, `2h`, `7d`. Raises ValueError, whose message says what to write instead."""
    match = _AMOUNT.fullmatch(text)
    factor = DURATION_UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"{text!r} is not a duration. Write seconds as 300, or a number with ms, s, m, h or d")
    return float(match[1]) * factor


def share_bytes(share: float | str, max_bytes: int) -> int:
    """Bytes of a share of `max_bytes`: a fraction above 0 and up to 1 (`0.5`, `50%`), or a size with its unit (`512MiB`), at most all of it.

    Raises ValueError, whose message says what to write instead.
    """
    fraction = _fraction_of(share)
    if fraction is None:
        return _size_within(str(share), max_bytes)
    if 0 < fraction <= 1:
        return math.floor(fraction * max_bytes)
    # Not taken for bytes: whoever writes 3 may mean 3 %, 3 GiB or 0.3, and 3 bytes would hold nothing.
    problem = "is more than the whole, or a size without its unit" if fraction > 1 else "is no part of anything"
    raise ValueError(f"{share!r} {problem}. Write a fraction such as 0.5, or a size such as 512MiB")


def _size_within(text: str, max_bytes: int) -> int:
    try:
        size = parse_size(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a share. Write a fraction such as 0.5, or a size such as 512MiB") from None
    if not 0 < size <= max_bytes:
        raise ValueError(
            f"{text!r} is not a part of {max_bytes} bytes. Write a smaller size, or a fraction such as 0.5"
        )
    return size


def _fraction_of(share: float | str) -> float | None:
    """The fraction meant by `share`, None where it has a unit."""
    text = str(share).strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        return None
    return number / 100 if text.endswith("%") else number


def parse_amount(text: str, extra: dict[str, Any]) -> float:
    """The number that `text` means in the unit that a field's Meta `extra` names. Raises ValueError."""
    return parse_size(text) if extra["unit"] == "bytes" else parse_duration(text)
