"""One stored snapshot into what its sink makes of it: opened, joined to the pod's state, handed to the sink. Its end, where it says goodbye.

Room: aggregator, forwarder. Pure but for a log. Never enters: journals, sockets, clocks (`now_unix` is passed in).
"""

from collections import Counter
from collections.abc import Callable

import msgspec
import structlog

from aggregator.core.joining import Chain, Place, join_of
from aggregator.core.records import OwedBlock
from aggregator.core.series import Opened
from aggregator.forwarder.pods import PodState
from aggregator.forwarder.points_batch import Piece, bundled
from aggregator.forwarder.state import place_of
from aggregator.metric_sink import Made, MetricSink, Moment
from towline.wire.codec import BodyError, decode_request, open_body
from towline.wire.identity import Pod
from towline.wire.snapshot import SnapshotRequest

OpenSnapshot = Callable[[Pod, SnapshotRequest], Opened]

_END_NS = 1_000_000  # a pod's end comes so much after its last snapshot: receivers count in milliseconds

log = structlog.get_logger()


class Maker:
    """Makes pieces for one sink. Safe to call from any thread."""

    def __init__(self, name: str, sink: MetricSink, open_snapshot: OpenSnapshot) -> None:
        self._name, self._sink, self._open = name, sink, open_snapshot

    def piece(self, block: OwedBlock, known: PodState | None, now_unix: float) -> Piece:
        """What becomes of a block. One that nothing can be made of is an empty piece that counts why: the pod's state stays."""
        uid = block.pod.uid
        try:
            raw = open_body(block.codec, block.body, block.end - block.start)
            said = decode_request(raw, SnapshotRequest)
        except (BodyError, msgspec.DecodeError):
            return self._spoiled(block, known, "undecodable")
        place = Place(said.run, said.sequence, said.taken_unix_ns)
        join = join_of(known.place if known else None, place, Chain.unpacked(block.place, said.sequence))
        if join is None:
            return self._spoiled(block, known, "out_of_order")
        moment = Moment(join, too_old=now_unix - said.taken_unix_ns / 1e9 > self._sink.max_age_seconds)
        try:
            made = self._sink.make(self._open(block.pod, said), known.state if known else None, moment)
            last = self._sink.end(uid, made.state, said.taken_unix_ns + _END_NS) if said.goodbye else None
        except Exception as error:  # noqa: BLE001 - a fault of ours must not stop the pods around it
            # Only the place: an exception's own text may quote what the pod said.
            log.error("snapshot_not_made", sink=self._name, error=place_of(error))  # noqa: TRY400 - as above
            return self._spoiled(block, known, "unmade")
        pod = PodState(place, said.interval_seconds, made.state)
        if last is not None:
            made = Made((*made.fragments, *last.fragments), dropped=made.dropped + last.dropped)
        return Piece(
            uid,
            block,
            pod if last is None else None,
            bundled(made.fragments),
            made.dropped,
            taken_unix_ns=said.taken_unix_ns,
        )

    def end(self, uid: str, known: PodState, now_unix: float) -> Piece:
        """What a pod that fell silent becomes."""
        now_unix_ns = int(now_unix * 1e9)
        made = self._sink.end(uid, known.state, now_unix_ns)
        pod = PodState(known.place, known.interval_seconds, made.state)
        return Piece(uid, None, pod, bundled(made.fragments), made.dropped, taken_unix_ns=now_unix_ns)

    def _spoiled(self, block: OwedBlock, known: PodState | None, reason: str) -> Piece:
        return Piece(block.pod.uid, block, known, dropped=Counter({reason: 1}), taken_unix_ns=block.read_unix_ns)
