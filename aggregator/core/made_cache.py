"""What was made of blocks for one sink, kept for the next: events that were joined, fields that were found.

Room: aggregator core. Never enters: how they are made; threads (whoever shares it, guards it).
"""

from collections import OrderedDict
from dataclasses import replace
from typing import NamedTuple

from aggregator.core.decode import held_bytes
from aggregator.core.multiline import Joined
from aggregator.core.records import Slice

_Key = tuple[str, int, str, int, int, int]


class _Kept(NamedTuple):
    made: Joined
    size_bytes: int


class MadeCache:
    """By what made it and what it was made of; least recently used first out."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()

    def get(self, maker: str, piece: Slice) -> Joined | None:
        """What `maker` made of these lines lately."""
        key = _key(maker, piece)
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        # As with opened blocks: the lines at hand know whose they are.
        opened = kept.made.open and _owned(kept.made.open, piece)
        return Joined([_owned(one, piece) for one in kept.made.complete], opened)

    def put(self, maker: str, piece: Slice, made: Joined) -> None:
        """Keep it while there is room."""
        key = _key(maker, piece)
        kept = _Kept(made, sum(map(held_bytes, made.complete)) if self._max_bytes else 0)
        if key in self._kept or kept.size_bytes >= self._max_bytes:
            return
        self._kept[key] = kept
        self._held_bytes += kept.size_bytes
        while self._held_bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._held_bytes -= oldest.size_bytes


def _key(maker: str, piece: Slice) -> _Key:
    return (maker, piece.block_id, piece.stream, piece.epoch, piece.start, piece.end)


def _owned(made: Slice, piece: Slice) -> Slice:
    return replace(made, pod=piece.pod, origin=piece.origin)
