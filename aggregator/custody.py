"""What is kept of a snapshot for the sinks that are owed it: the request as it came, compressed where that pays.

Room: aggregator, between intake and journal. Never enters: HTTP, SQL.
"""

from collections.abc import Sequence

from aggregator.core.records import Debt
from aggregator.journal import Custody
from towline.wire.codec import compress
from towline.wire.snapshot import SnapshotRequest

_WORTH_PACKING_BYTES = 512
_PAYS = 0.9  # scraped texts are compressed already: a request that is mostly these stays as it is


def custody_of(said: SnapshotRequest, body: bytes, owed: Sequence[Debt]) -> Custody:
    """`body` is the request that `said` was decoded from."""
    if not owed:
        return Custody(goodbye=said.goodbye)
    packed = compress(body) if len(body) >= _WORTH_PACKING_BYTES else body
    is_packed = len(packed) < _PAYS * len(body)
    return Custody(
        taken_unix_ns=said.taken_unix_ns,
        goodbye=said.goodbye,
        codec="zstd" if is_packed else "none",
        body=packed if is_packed else body,
        length=len(body),
        owed=owed,
    )
