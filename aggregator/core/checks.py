"""Whether what a collector says can be true at all: bounds and sizes, before anything is stored.

Room: aggregator core. Never enters: journals (what a range means for a stream is compare()'s to say).
"""

import math

from aggregator.core.counted import is_counted
from aggregator.core.decode import ENCODINGS
from towline.wire.block import MAX_BLOCK_BYTES, MAX_FRAMES, BlocksRequest, Code, Frame
from towline.wire.codec import BodyError, check_body
from towline.wire.identity import Origin, Pod
from towline.wire.snapshot import SnapshotRequest

_LARGEST = 1 << 62  # of epochs and offsets: sums of two still fit SQLite's integers
_MAX_BODY_BYTES = MAX_BLOCK_BYTES + 64 * 1024  # what does not compress grows a little
_MAX_ID_CHARACTERS = 64
_MAX_NAME_CHARACTERS = 512
_MAX_PATH_CHARACTERS = 4096
_MAX_TAGS = 128
_MAX_LABELS = 256


def fault_of_request(said: BlocksRequest) -> tuple[Code, str] | None:
    """What makes a whole request unusable."""
    if len(said.frames) > MAX_FRAMES:
        return Code.TOO_LARGE, f"a request holds at most {MAX_FRAMES} frames"
    if not 0 <= said.since < _LARGEST:
        return Code.UNREADABLE, "since is out of bounds"
    if not _is_id(said.run):
        return Code.UNREADABLE, "run is empty, longer than 64 characters or not printable ASCII"
    return None


def fault_of_snapshot(said: SnapshotRequest) -> str:
    """What makes a snapshot unusable as a whole; "" where nothing does. What is in it is refused series by series, where it is opened."""
    if not 0 < said.sequence < 1 << 53 or not 0 < len(said.run) <= _MAX_ID_CHARACTERS:
        return "run or sequence out of bounds"
    if not 0 <= said.taken_unix_ns < _LARGEST or not 0 <= said.interval_seconds < math.inf:
        return "taken_unix_ns or interval_seconds out of bounds"
    return ""


def fault_of_pod(pod: Pod) -> str:
    """What makes an identity unusable; "" where nothing does."""
    if not _is_id(pod.uid):
        return "pod: uid is empty, longer than 64 characters or not printable ASCII"
    if is_counted(pod.uid):
        return "pod: uid begins as those of the aggregator's own do"
    if not (pod.namespace and pod.name):
        return "pod: namespace or name is empty"
    words = (pod.namespace, pod.name, pod.ip, pod.node, pod.service_account, pod.workload, pod.cluster, pod.region)
    if max(map(len, (*words, pod.account))) > _MAX_NAME_CHARACTERS:
        return f"pod: a name is longer than {_MAX_NAME_CHARACTERS} characters"
    if max(len(pod.labels), len(pod.annotations)) > _MAX_LABELS:
        return f"pod: more than {_MAX_LABELS} labels or annotations"
    return ""


def fault_of_frame(frame: Frame) -> tuple[Code, str] | None:
    """What makes a frame unusable, and the code that says what its collector does about it."""
    if not (_is_id(frame.stream) and len(frame.print) <= _MAX_ID_CHARACTERS and len(frame.alias) <= _MAX_ID_CHARACTERS):
        return Code.UNREADABLE, "stream, print or alias is empty, longer than 64 characters or not printable ASCII"
    if ":" in frame.stream:  # those of the journal's own have one, and ids of events are cut at it
        return Code.UNREADABLE, "stream: holds a colon"
    if not _is_sane(frame):
        return Code.UNREADABLE, f"epoch, start, end, base or time out of bounds: [{frame.start}, {frame.end})"
    fault = _fault_of_origin(frame.origin)
    if fault:
        return Code.UNREADABLE, fault
    return _fault_of_body(frame)


def _is_sane(frame: Frame) -> bool:
    numbers = (frame.epoch, frame.start, frame.read_unix_ns, frame.head_bytes, frame.file_bytes, frame.base or 0)
    return min(numbers) >= 0 and max(numbers) < _LARGEST and frame.start <= frame.end < _LARGEST


def _fault_of_origin(origin: Origin) -> str:
    names = (origin.container, origin.source, origin.service, *origin.tags)
    if len(origin.path) > _MAX_PATH_CHARACTERS or max(map(len, names)) > _MAX_NAME_CHARACTERS:
        return "origin: a path, name or tag is too long"
    if len(origin.tags) > _MAX_TAGS:
        return f"origin: more than {_MAX_TAGS} tags"
    if origin.encoding not in ENCODINGS:
        return f"origin: unknown encoding. Use one of: {', '.join(sorted(ENCODINGS))}"
    return ""


def _fault_of_body(frame: Frame) -> tuple[Code, str] | None:
    if frame.reason is not None or frame.start == frame.end:
        return (Code.UNREADABLE, "a gap or an empty range has no body") if frame.body else None
    if frame.end - frame.start > MAX_BLOCK_BYTES or len(frame.body) > _MAX_BODY_BYTES:
        return Code.TOO_LARGE, f"a block holds at most {MAX_BLOCK_BYTES} bytes"
    try:
        check_body(frame)
    except BodyError as error:
        return Code.UNREADABLE, str(error)
    return None


def _is_id(text: str) -> bool:
    return 0 < len(text) <= _MAX_ID_CHARACTERS and text.isascii() and text.isprintable()
