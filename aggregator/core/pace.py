"""How long collectors are asked to gather before their next request (`next_ms`).

Room: aggregator core. Never enters: clocks (`now` is passed in), sockets.

Requests cost more than bytes. As their rate nears the budget of this replica, every collector is asked to come as
seldom as would spread all pods heard lately evenly over the budget; far below it nobody is asked to wait.
"""

import math

LONGEST_MS = 5000  # protocol rule 8: at most this long between two requests while anything waits
_MEMORY_SECONDS = 5.0  # the rate forgets at this pace (time constant)
_HEARD_SECONDS = 10.0  # a pod counts as coming back while it was heard within this time
_EASY = 0.5  # the share of the budget below which nobody waits


class Pace:
    """Counts requests and pods; answers with a time to gather."""

    def __init__(self, budget_per_second: float) -> None:
        self._budget_per_second = budget_per_second
        self._rate = 0.0
        self._counted_at = 0.0
        self._heard: dict[str, float] = {}  # in order of the last request: the oldest first

    def count(self, pod_uid: str, now: float) -> None:
        """Note one request of a pod."""
        self._rate = self.rate(now) + 1.0 / _MEMORY_SECONDS
        self._counted_at = now
        self._heard.pop(pod_uid, None)
        self._heard[pod_uid] = now
        self._forget(now)

    def rate(self, now: float) -> float:
        """Requests a second, lately."""
        return self._rate * math.exp(-max(0.0, now - self._counted_at) / _MEMORY_SECONDS)

    def next_ms(self, now: float) -> int:
        """Milliseconds to gather: 0 below half of the budget, rising to an even spread at the budget, never above 5000."""
        load = self.rate(now) / self._budget_per_second
        if load <= _EASY:
            return 0
        self._forget(now)
        even_ms = 1000.0 * len(self._heard) / self._budget_per_second
        stretch = (load - _EASY) / (1.0 - _EASY) if load < 1.0 else load
        return min(LONGEST_MS, round(even_ms * stretch))

    def _forget(self, now: float) -> None:
        for uid in self._silent(now):
            del self._heard[uid]

    def _silent(self, now: float) -> list[str]:
        silent = []
        for uid, heard_at in self._heard.items():
            if heard_at >= now - _HEARD_SECONDS:
                break
            silent.append(uid)
        return silent
