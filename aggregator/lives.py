"""Which life of a pod's collector may write: the last one that asked for the pod's rows.

Room: aggregator, beside intake. Never enters: HTTP, the journal. Protocol rule 1 (docs/design/wire.md): a request of a life that
was killed may still arrive, with bytes that its file no longer holds; after the next life has read the marks it must not count.
"""

from collections import OrderedDict

_KEPT_PODS = 65_536


class Lives:
    """In memory: a request that outlives an aggregator does not exist, its connection ended with it."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, str] = OrderedDict()

    def take_over(self, pod_uid: str, run: str) -> bool:
        """Let only `run` write from now on. True if another one did before."""
        before = self._runs.get(pod_uid)
        self._note(pod_uid, run)
        return before is not None and before != run

    def may_write(self, pod_uid: str, run: str) -> bool:
        """Whether this is the life that counts; the first to write is, where none has asked for rows."""
        known = self._runs.get(pod_uid)
        if known is None:
            self._note(pod_uid, run)
        return known in (None, run)

    def _note(self, pod_uid: str, run: str) -> None:
        self._runs[pod_uid] = run
        self._runs.move_to_end(pod_uid)
        if len(self._runs) > _KEPT_PODS:
            self._runs.popitem(last=False)
