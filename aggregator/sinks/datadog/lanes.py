"""Which lane a pod is in: always the same, in every process.

Room: aggregator sinks, pure. Never enters: the network.
"""

import hashlib

from towline.wire.identity import Pod


def lane_of(pod: Pod, kind: str, lanes: int) -> str:
    """`<kind>-<number>`. Python's own hash differs between processes."""
    digest = hashlib.blake2b(pod.uid.encode(), digest_size=8).digest()
    return f"{kind}-{int.from_bytes(digest, 'big') % lanes}"
