"""What was worked out for a pod's stream, kept while the pod's values are the very same objects.

Room: aggregator core. Never enters: clocks. Pods hold mappings and cannot be keys; intake and journal hand on one object for each identity.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from towline.wire.identity import Origin, Pod

T = TypeVar("T")

MAX_REMEMBERED = 4096


class Remembered(Generic[T]):
    """A function of (pod, origin) with its newest answers. Safe to call from several threads: at worst one works it out twice."""

    def __init__(self, work_out: Callable[[Pod, Origin], T]) -> None:
        self._work_out = work_out
        self._known: dict[tuple[int, int], tuple[Pod, Origin, T]] = {}

    def __call__(self, pod: Pod, origin: Origin) -> T:
        known = self._known.get((id(pod), id(origin)))
        if known is not None:  # it holds both objects: their ids cannot have passed to others
            return known[2]
        answer = self._work_out(pod, origin)
        if len(self._known) >= MAX_REMEMBERED:
            self._known = {}
        self._known[(id(pod), id(origin))] = (pod, origin, answer)
        return answer
