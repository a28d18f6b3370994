"""Series and metadata as the bytes of a `prometheus.WriteRequest`, made piece by piece: what repeats is encoded once.

Room: aggregator sinks, pure. Never enters: snappy, states, the network. Format: the remote write 1.0 specification (its protobuf messages), and
protobuf's own encoding: a field is `number << 3 | type`, then a varint, 8 bytes, or a length and so many bytes.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from aggregator.core.exposition_lines import IDENTITY
from aggregator.core.relabel import pairs_of
from aggregator.core.series import Kind

NAME = "__name__"
STALE = struct.pack("<Q", 0x7FF0000000000002)  # the NaN that says: this series has ended
_SAMPLE_HEAD = b"\x09"  # Sample.value = 1, 8 bytes
_SAMPLE_TIME = b"\x10"  # Sample.timestamp = 2, varint
_TYPES: Mapping[Kind, int] = {  # MetricMetadata.MetricType
    "counter": 1,
    "gauge": 2,
    "histogram": 3,
    "gaugehistogram": 4,
    "summary": 5,
    "info": 6,
    "stateset": 7,
}
MAX_LEARNED_BYTES = 16 << 20
_ENTRY_BYTES = 150  # of a dictionary, beside the text and its encoded twin

encode_value = struct.Struct("<d").pack


def varint(number: int) -> bytes:
    """A whole number, not negative."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_LENGTHS = [varint(length) for length in range(4096)]


def _length(size: int) -> bytes:
    return _LENGTHS[size] if size < len(_LENGTHS) else varint(size)


def field(tag: bytes, content: bytes) -> bytes:
    """A field of bytes."""
    return tag + _length(len(content)) + content


def _label(name: str, value: str) -> bytes:
    """TimeSeries.labels = 1: a Label of name = 1, value = 2; nothing where the value is empty, as that is no label."""
    if not value:
        return b""
    return field(b"\x0a", field(b"\x0a", name.encode()) + field(b"\x12", value.encode("utf-8", "replace")))


Grow = Callable[[int], None]


class _Values(dict[str, bytes]):
    """A label's values, encoded with its name. `grow` is told what each takes."""

    def __init__(self, name: str, grow: Grow) -> None:
        self._name, self._grow = name, grow

    def __missing__(self, value: str) -> bytes:
        encoded = self[value] = _label(self._name, value)
        self._grow(len(encoded))
        return encoded


class _Shape:
    """What label sets of the same names have in common: the values that each name had, and where the constant labels stand between them."""

    def __init__(self, names: Sequence[str], constants: Sequence[str], grow: Grow) -> None:
        self.values = [_Values(name, grow) for name in names]
        together = sorted({*names, *constants})
        found: dict[int, list[str]] = {}
        for name in constants:
            if name not in names:
                found.setdefault(sum(other in names for other in together[: together.index(name)]), []).append(name)
        # From the last place to the first: so an insertion does not move the next one's place.
        self.inserts = [(place, tuple(sorted(found[place]))) for place in sorted(found, reverse=True)]


class Shapes:
    """What was learned of label sets; one for all pods of a sink. `constants`: the names of the labels that every series gets.

    Once it has grown to MAX_LEARNED_BYTES it begins anew: label sets that never come again must not fill the memory.
    Safe to use from several threads: at worst one learns what another has learned.
    """

    def __init__(self, constants: Iterable[str]) -> None:
        self._constants = sorted(constants)
        self._forget()

    def _forget(self) -> None:
        self.names = _Values(NAME, self._grow)
        self._shapes: dict[tuple[str, ...], _Shape | None] = {}
        self._size_bytes = 0

    def _grow(self, size_bytes: int) -> None:
        self._size_bytes += 2 * size_bytes + _ENTRY_BYTES
        if self._size_bytes > MAX_LEARNED_BYTES:
            self._forget()

    def of(self, labels: str) -> tuple[_Shape | None, list[str]]:
        """The shape of a label text, and its values. No shape: it is to be read the slow way (escapes, labels before `__name__`)."""
        if "\\" in labels:
            return None, []
        parts = labels.split('"')
        key = tuple(parts[::2])
        known = self._shapes  # another thread may forget meanwhile
        if key not in known:
            known[key] = self._learn(key)
            self._grow(sum(map(len, key)) + _ENTRY_BYTES * len(key))
        return known[key], parts[1::2]

    def _learn(self, key: tuple[str, ...]) -> _Shape | None:
        names = [text.strip(",=") for text in key[:-1]]
        plain = all(NAME < one < two for one, two in pairwise([NAME + "\0", *names])) if names else True
        own = not IDENTITY.isdisjoint(names)
        return None if own or not plain else _Shape(names, [n for n in self._constants if n > NAME], self._grow)


class SeriesWriter:
    """Label sets of one pod as bytes. `constants`: labels that every series gets; namespace and pod are the pod's, others give way to the series' own."""

    def __init__(self, shapes: Shapes, constants: Mapping[str, str]) -> None:
        self._shapes = shapes
        self._constants = constants
        self._encoded = {name: _label(name, value) for name, value in constants.items()}
        self._lead = b"".join([self._encoded[name] for name in sorted(constants) if name < NAME])
        self._groups: dict[tuple[str, ...], bytes] = {}
        self._blocks: dict[str, bytes] = {"": b"".join([self._encoded[n] for n in sorted(constants) if n > NAME])}

    def labels(self, name: str, labels: str) -> bytes:
        """All labels of a series, in the order of their names."""
        block = self._blocks.get(labels)
        if block is None:
            block = self._block(labels)
            if block is None:
                return self._slowly(name, labels)
            self._blocks[labels] = block
        return self._lead + self._shapes.names[name] + block

    def _block(self, labels: str) -> bytes | None:
        """What stands behind `__name__`; None where something of the series' own may stand before it."""
        shape, texts = self._shapes.of(labels)
        if shape is None:
            return None
        encoded = [values[text] for values, text in zip(shape.values, texts, strict=True)]
        for place, names in shape.inserts:
            group = self._groups.get(names)
            if group is None:
                group = self._groups[names] = b"".join([self._encoded[name] for name in names])
            encoded.insert(place, group)
        return b"".join(encoded)

    def _slowly(self, name: str, labels: str) -> bytes:
        mine = {name: value for name, value in self._constants.items() if name in IDENTITY}
        every = {**self._constants, **dict(pairs_of(labels)), **mine, NAME: name}
        return b"".join([_label(one, every[one]) for one in sorted(every)])


class SampleTime:
    """What stands around a sample's value, for samples of one time."""

    def __init__(self, unix_ms: int) -> None:
        self.after = _SAMPLE_TIME + varint(unix_ms)
        size = len(_SAMPLE_HEAD) + 8 + len(self.after)
        self._before = b"\x12" + _length(size) + _SAMPLE_HEAD  # TimeSeries.samples = 2
        self._size = len(self._before) + 8 + len(self.after)

    def before(self, labels: bytes) -> bytes:
        """WriteRequest.timeseries = 1, up to the value (of `encode_value`, or STALE); `after` closes it. The same for all times of so many bytes."""
        return b"".join((b"\x0a", _length(len(labels) + self._size), labels, self._before))


def metadata(name: str, kind: Kind, help_text: str, unit: str) -> bytes:
    """WriteRequest.metadata = 3: type = 1, metric_family_name = 2, help = 4, unit = 5."""
    number = _TYPES.get(kind, 0)
    content = b"\x08" + varint(number) if number else b""
    for tag, text in ((b"\x12", name), (b"\x22", help_text), (b"\x2a", unit)):
        if text:
            content += field(tag, text.encode("utf-8", "replace"))
    return field(b"\x1a", content)
