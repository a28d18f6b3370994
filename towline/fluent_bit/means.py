"""What a conversion may ask of whoever wants it, and what it tells beside its outcome.

Room: fluent_bit. Never enters: the aggregator, whose check is passed in.
"""

from dataclasses import dataclass, field
from pathlib import Path

from towline.fluent_bit.patterns import Check


@dataclass(frozen=True, slots=True)
class Means:
    """`check`: compiles a pattern as the aggregator would, and raises ValueError; None where there is no aggregator.

    `files`: filled with what decides the outcome: files that were read, those that were not there, folders in which more may turn up.
    """

    check: Check | None = None
    files: list[Path] = field(default_factory=list)
