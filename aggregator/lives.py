"""Which life of a pod's collector may write: the newest, for as long as it is heard.

Room: aggregator, beside intake. Never enters: HTTP, the journal. Protocol rule 1 (docs/design/wire.md): a request of a life that
was killed may still arrive, with bytes that its file no longer holds; after the next life has read the marks it must not count.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

SILENT_SECONDS = 90.0  # a collector that lives is heard once a minute
_KEPT_PODS = 65_536
_KEPT_RUNS = 8  # of one pod, that wrote before: two collectors started by mistake are two

log = structlog.get_logger()


@dataclass(slots=True)
class _Pen:
    """Who may write for a pod, and who did before."""

    run: str
    heard_at: float
    before: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_RUNS))
    kept_out: str = ""  # the life that was last said to be


class Lives:
    """In memory: a request that outlives an aggregator does not exist, its connection ended with it.

    A life that nobody has seen takes over at once: it is the next one. One that was followed by another, and asks again, is a
    second collector that lives beside it: it waits until the other is silent or has said goodbye. Taking turns they would only
    fence each other off, and neither would come to write.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._pens: OrderedDict[str, _Pen] = OrderedDict()
        self._clock = clock

    def take_over(self, pod_uid: str, run: str) -> bool:
        """Let only `run` write from now on, if it may. True if it may, and another one did before."""
        pen = self._pens.get(pod_uid)
        if pen is None or pen.run == run:
            self._note(pod_uid, pen or _Pen(run, 0.0))
            return False
        if run in pen.before and self._clock() - pen.heard_at < SILENT_SECONDS:
            _say_once(pod_uid, run, pen)
            return False
        pen.before.append(pen.run)
        pen.run, pen.kept_out = run, ""
        self._note(pod_uid, pen)
        return True

    def may_write(self, pod_uid: str, run: str) -> bool:
        """Whether this is the life that counts; the first to write is, where none has asked for rows."""
        pen = self._pens.get(pod_uid) or _Pen(run, 0.0)
        if pen.run != run:
            return False
        self._note(pod_uid, pen)
        return True

    def leave(self, pod_uid: str, run: str) -> None:
        """That life said goodbye: whoever asks for the rows next may write."""
        pen = self._pens.get(pod_uid)
        if pen is not None and pen.run == run:
            pen.heard_at = float("-inf")

    def _note(self, pod_uid: str, pen: _Pen) -> None:
        pen.heard_at = self._clock()
        self._pens[pod_uid] = pen
        self._pens.move_to_end(pod_uid)
        if len(self._pens) > _KEPT_PODS:
            self._pens.popitem(last=False)


def _say_once(pod_uid: str, run: str, pen: _Pen) -> None:
    if pen.kept_out != run:
        pen.kept_out = run
        log.warning("collector_kept_out", pod_uid=pod_uid, reason="another collector of this pod lives and writes")
