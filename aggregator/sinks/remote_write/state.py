"""What is remembered of a pod: which series the receiver believes alive, and the time of their newest sample. As text, for the journal.

Room: aggregator sinks, pure. Never enters: snapshots, the network.

All series of a snapshot have its one time, and each has had none later than the pod's newest: so that one time guards the order of every series.
"""

import base64
import binascii
import sys
from collections.abc import Sequence

import msgspec

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LARGEST_BYTES = 256 << 20  # a state this large was never written: it is not believed


class Known(msgspec.Struct, frozen=True, array_like=True):
    """namespace, pod: names, as labels of its series. series: `name{labels` of each that is alive."""

    namespace: str = ""
    pod: str = ""
    series: Sequence[str] = ()


class State(msgspec.Struct, frozen=True):
    """last_unix_ms: of the newest sample or marker; 0 is none. `packed` is `known` as it was packed the last time."""

    known: Known = Known()
    last_unix_ms: int = 0
    packed: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Known).decode


def text_of(known: Known, last_unix_ms: int, before: State) -> str:
    """For the journal: some 5 bytes a series. What is as it was `before` is not packed again."""
    packed = before.packed if known == before.known and before.packed else _packed(known)
    return f"{last_unix_ms}:{packed}"


def state_of(text: str | None) -> State:
    """What `text_of` wrote; an empty state where there is nothing, or nothing that can be read."""
    time, _, packed = (text or "").partition(":")
    if not time.isdecimal():
        return State()
    try:
        raw = zstd.ZstdDecompressor().decompress(base64.b64decode(packed), max_length=_LARGEST_BYTES)
        return State(_decode(raw), int(time), packed)
    except (binascii.Error, zstd.ZstdError, msgspec.DecodeError, ValueError):
        return State()


def _packed(known: Known) -> str:
    return base64.b64encode(zstd.compress(_encode(known), level=1)).decode("ascii")
