"""Which of an aggregator's addresses to speak to, and when to leave it (protocol rule 4).

Room: collector core. Never enters: sockets, name resolution, clocks.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

LEAVING_SECONDS = 10.0  # a peer that says `leaving` for this long is left


def by_preference(pod_uid: str, addresses: Sequence[str]) -> list[str]:
    """Addresses by rendezvous hash of the pod's uid, the preferred one first: pods spread, and a change moves only its own share."""

    def weight(address: str) -> bytes:
        return hashlib.blake2b(f"{pod_uid}\0{address}".encode(), digest_size=8).digest()

    return sorted(set(addresses), key=weight, reverse=True)


@dataclass(slots=True, kw_only=True)
class Peers:
    """Sans-IO: one address is kept until it is gone. Gone = no HTTP answer for `failover_seconds`; a refusal is an answer."""

    pod_uid: str
    failover_seconds: float
    current: str = ""  # "": none chosen yet
    addresses: tuple[str, ...] = ()
    silent_since: float | None = None
    leaving_since: float | None = None

    def resolved(self, addresses: Sequence[str]) -> None:
        """Take what name resolution said. An address that vanished from it is not gone: only its silence says that."""
        if addresses:
            self.addresses = tuple(by_preference(self.pod_uid, addresses))

    def choose(self, now: float, *, draining: bool = False) -> str:
        """The address to speak to now; "" while none is known. In a drain, copies are better than loss: a silent or leaving peer goes at once."""
        if not self.current or self._is_gone(now, draining):
            following = self._following()
            if following != self.current:
                self.take(following)
        return self.current

    def _following(self) -> str:
        """The next address in order of preference, round and round: two dead ones must not be all that is ever tried."""
        if self.current not in self.addresses:
            return next(iter(self.addresses), self.current)
        return self.addresses[(self.addresses.index(self.current) + 1) % len(self.addresses)]

    def take(self, address: str) -> None:
        """Speak to this one: it has custody."""
        self.current, self.silent_since, self.leaving_since = address, None, None

    def _is_gone(self, now: float, draining: bool) -> bool:
        silent = self.silent_since is not None and (draining or now - self.silent_since >= self.failover_seconds)
        leaving = self.leaving_since is not None and (draining or now - self.leaving_since >= LEAVING_SECONDS)
        return silent or leaving

    def heard(self, now: float, *, leaving: bool) -> None:
        """An HTTP answer came, whatever its status."""
        self.silent_since = None
        if not leaving:
            self.leaving_since = None
        elif self.leaving_since is None:
            self.leaving_since = now

    def silent(self, now: float) -> None:
        """No HTTP answer came: refused, reset, timed out, or rubbish."""
        if self.silent_since is None:
            self.silent_since = now
