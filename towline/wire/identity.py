"""Who is speaking, and what a byte range belongs to.

Room: wire. Never enters: files, sockets, clocks (what the kernel said is passed in).
"""

import hashlib
from collections.abc import Mapping

import msgspec

HEAD_BYTES = 256  # a file system without birth times names a stream by this many first bytes, or fewer if it had fewer
PRINT_BYTES = 4096  # a print covers this many of the newest non-NUL bytes ...
PRINT_WINDOW_BYTES = 65536  # ... among this many bytes before an offset


class Pod(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A pod as it knows itself: environment and downward API, never an API call.

    `workload` is set by whoever made the pod, or derived from its name; `cluster`, `region` and `account` come from configuration.
    """

    namespace: str
    name: str
    uid: str
    ip: str = ""
    node: str = ""
    service_account: str = ""
    workload: str = ""
    cluster: str = ""
    region: str = ""
    account: str = ""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class Origin(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where in the pod a stream comes from: the path as last seen, and what the configuration says of that path."""

    path: str
    container: str = ""
    source: str = ""
    service: str = ""
    tags: tuple[str, ...] = ()
    encoding: str = "utf-8"


def stream_id(pod_uid: str, root: str, inode: int, birth_ns: int | None, head: bytes = b"") -> str:
    """Name one file instance of one pod for ever: 32 hex characters.

    `birth_ns` is statx's birth time; where the file system has none, `head` (the first `min(256, size at discovery)` bytes,
    its length being part of the name) takes its place. The device number takes no part: it changes on reboot while an
    emptyDir survives.
    """
    born = f"b{birth_ns}" if birth_ns is not None else f"h{len(head)}"
    name = hashlib.blake2b(f"{pod_uid}\0{root}\0{inode}\0{born}\0".encode(errors="surrogateescape"), digest_size=16)
    if birth_ns is None:
        name.update(head)
    return name.hexdigest()


def print_of(window: bytes) -> str:
    """Hash the newest 4 kB of non-NUL bytes of `window`, the up to 64 kB before an offset: 32 hex characters.

    NULs are left out because a writer without O_APPEND leaves a hole of them after a copytruncate. Offset 0 has the print of nothing.
    """
    seen = window[-PRINT_BYTES:]
    if b"\0" in seen:
        seen = window[-PRINT_WINDOW_BYTES:].replace(b"\0", b"")[-PRINT_BYTES:]
    return hashlib.blake2b(seen, digest_size=16).hexdigest()


EMPTY_PRINT = print_of(b"")  # the print at offset 0
UNKNOWN_PRINT = ""  # nobody knows what stands before this offset: it is not compared
