"""What Fargate gave the pod: its annotation is the truth, the node's size is larger and means nothing.

Room: collector core. Never enters: files, clocks. Source: EKS user guide, "Fargate Pod configuration" (`CapacityProvisioned: 0.25vCPU 0.5GB`).
"""

import math
import re

import msgspec

ANNOTATION = "CapacityProvisioned"

_FORM = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*vCPU\s+([0-9]+(?:\.[0-9]+)?)\s*GB\s*", re.IGNORECASE)
_GIB = 1 << 30  # Fargate says GB and gives GiB: 0.5GB are requests of 512Mi


class Capacity(msgspec.Struct, frozen=True):
    """CPU in cores, memory in bytes."""

    cores: float
    memory_bytes: int


def parse_capacity(text: str) -> Capacity | None:
    """The annotation's value; None where it is not of its form, or says nothing above zero."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    cores, gib = float(form[1]), float(form[2])
    return Capacity(cores, int(gib * _GIB)) if 0 < cores < math.inf and 0 < gib < _GIB else None
