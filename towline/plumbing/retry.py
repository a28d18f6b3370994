"""When to try again: a decision, never a sleep.

Room: plumbing. Never enters: asyncio, clocks, randomness (the caller passes them in).
"""

import msgspec

_LAST_DOUBLING = 62  # 2.0 ** 62 is beyond any ceiling; higher powers would overflow after a thousand attempts


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential back-off with full jitter: many callers that failed together do not come back together.

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (full jitter: a uniform draw below the ceiling).
    """

    base_seconds: float = 0.5  # the ceiling of the first wait; doubles with each attempt
    max_seconds: float = 30.0  # the ceiling never grows beyond this
    longest_retry_after_seconds: float = 3600.0  # a destination that asks for more is asked again after this

    def delay_seconds(self, attempt: int, jitter: float, retry_after_seconds: float = 0.0) -> float:
        """How long to wait after failure number `attempt` (from 1). `jitter` is drawn from [0, 1) by the caller.

        Never less than what the destination asked for (`retry_after_seconds`), up to `longest_retry_after_seconds`.
        """
        doublings = min(max(attempt - 1, 0), _LAST_DOUBLING)
        ceiling = min(self.max_seconds, self.base_seconds * 2.0**doublings)
        # In this order NaN counts as 0: max() keeps its first argument unless the second is larger.
        asked = min(max(0.0, retry_after_seconds), self.longest_retry_after_seconds)
        return max(asked, ceiling * jitter)
