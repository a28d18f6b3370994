"""Which of several texts have to go once they are, together, more than there is room for.

Room: collector core. Never enters: what the texts say, who said them: they are told apart by their place in a list.
"""


class Room:
    """Room for the texts of one gathering. Each has a fair share for certain, and besides what the others leave."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._held: dict[int, int] = {}

    def hold(self, place: int, size_bytes: int) -> list[int]:
        """A text is so large now. Returns which have to go: the largest, which are above their share."""
        self._held[place] = size_bytes
        gone = []
        while sum(self._held.values()) > self._total_bytes:
            gone.append(max(self._held, key=lambda one: (self._held[one], one)))
            del self._held[gone[-1]]
        return gone

    def leave(self, place: int) -> None:
        """A text is not held any more."""
        self._held.pop(place, None)
