"""What can be configured of DogStatsD.

Room: collector source. Apart from dogstatsd.py, so that a configuration can be read without loading what does the work.
"""

import os
from typing import Annotated, Final

import msgspec

from towline.plumbing.address import parse_listen
from towline.plumbing.sizes import PositiveSeconds, PositiveSize

MAX_SOCKET_BYTES: Final = 107  # of a path: sun_path of <sys/un.h>, without its NUL


class DogStatsDConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the app sends by DogStatsD.

    listen: `host:port` for UDP; "" for none. Whoever can send to it can count: keep it on the pod's own 127.0.0.1.
    socket: absolute path of a Unix datagram socket, on a volume that the app mounts too; "" for none. Any user may write to it.
    max_series: series (names with their tags) at most; what comes beyond is refused and counted, what is there goes on.
        Together they may hold 448 bytes for each.
    expire_seconds: a gauge or a set without a new value for this long is no longer said. Counts and distributions stay.
    receive_buffer_bytes: what the kernel may hold for us while we do not read; its own limit is net.core.rmem_max.
    """

    listen: str = "127.0.0.1:8125"
    socket: str = ""
    max_series: Annotated[int, msgspec.Meta(gt=0)] = 10_000
    expire_seconds: PositiveSeconds = 300
    receive_buffer_bytes: PositiveSize = 4 << 20

    def __post_init__(self) -> None:
        try:
            if self.listen:
                parse_listen(self.listen)
        except ValueError as error:
            raise ValueError(f"listen: {error}") from None
        if self.socket and not self.socket.startswith("/"):
            raise ValueError(f"socket: {self.socket!r} is not absolute. Write a path that starts with /")
        if len(os.fsencode(self.socket)) > MAX_SOCKET_BYTES:
            raise ValueError(
                f"socket: is longer than {MAX_SOCKET_BYTES} bytes, which no socket's path may be. Shorten it"
            )
