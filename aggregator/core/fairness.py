"""Whose turn it is: deficit round robin over pods, so that a quiet pod never waits behind a busy one.

Room: aggregator core. Never enters: blocks, sockets, clocks.

Source: Shreedhar and Varghese, "Efficient Fair Queueing using Deficit Round Robin" (1995); here a line may overdraw its
pod's credit, which the pod pays back in its next turns, because a line is never cut.
"""

from collections.abc import Collection


class FairTurns:
    """A ring of pods, each with a credit in bytes that its turns top up and its lines spend."""

    def __init__(self, quantum_bytes: int) -> None:
        self._quantum_bytes = quantum_bytes
        self._credits: dict[str, int] = {}  # insertion order is the ring: its head is whose turn it is

    @property
    def has_others(self) -> bool:
        """True where turns matter: more than one pod waits."""
        return len(self._credits) > 1

    def keep(self, waiting: Collection[str]) -> None:
        """Know exactly those who wait: newcomers join at the end, without credit; who left takes no credit along."""
        for gone in [who for who in self._credits if who not in waiting]:
            del self._credits[gone]
        for who in waiting:
            self._credits.setdefault(who, 0)

    def whose(self, passed_over: Collection[str] = ()) -> str | None:
        """Who takes next; None where nobody is left. Those passed over keep their place in the ring."""
        if all(who in passed_over for who in self._credits):
            return None
        while True:
            for who, credit in self._credits.items():
                if who in passed_over:
                    continue
                if credit > 0:
                    return who
                self._end_turn(who)
                break  # the ring has changed under the iteration

    def spend(self, who: str, size_bytes: int) -> None:
        """Take what was sent of `who` from its credit."""
        self._credits[who] -= size_bytes

    def leave(self, who: str) -> None:
        """`who` has nothing more."""
        self._credits.pop(who, None)

    def _end_turn(self, who: str) -> None:
        """To the end of the ring, with fresh credit for the next turn."""
        self._credits[who] = self._credits.pop(who) + self._quantum_bytes
