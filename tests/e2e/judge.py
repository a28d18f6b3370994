"""Judge J0: what became of every numbered line. Lost, doubled, torn, corrupt, out of order: all are to be 0.

Reads what a sink kept (JSON lines with a `message`, perhaps an `evt_id`) against what the writers say they wrote. Imports nothing of ours.
"""

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

START = re.compile(r'\{"w":"(?P<json_writer>[^"]+)","n":(?P<json_n>\d+),|\[(?P<writer>\S+) (?P<n>\d+)\] ')
END = re.compile(r'(?:,"crc":"(?P<json_crc>[0-9a-f]{8})"\}| crc=(?P<crc>[0-9a-f]{8}))\Z')
Order = Literal["writer", "file"]
KEPT_DETAILS = 20  # of each kind: enough to look at, whatever went wrong


class Line(NamedTuple):
    """Whose line it is. `whole` is False where the CRC does not match what stands before it."""

    writer: str
    sequence: int
    whole: bool


@dataclass
class Verdict:
    """Counts of J0. `lost` lines never arrived intact; `duplicated`, `torn`, `corrupt` are records too many or spoilt.

    `torn`: a piece of a line, or two lines in one record. `corrupt`: a line's form, but its CRC or its number is wrong.
    `reordered`: intact first copies that came after a later line of their writer (or only of the same file, as asked for). Of the duplicated, `copies_same_id` and
    `copies_other_id` say whether they carried an event id already seen for that line; copies without ids are in neither.
    """

    lost: int = 0
    duplicated: int = 0
    torn: int = 0
    corrupt: int = 0
    reordered: int = 0
    copies_same_id: int = 0
    copies_other_id: int = 0
    delivered: int = 0
    details: dict[str, list[str]] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """J0: every line once, whole, in order."""
        return not (self.lost or self.duplicated or self.torn or self.corrupt or self.reordered)

    @property
    def clean_but_for_copies(self) -> bool:
        """J0*: as J0, but copies that carry the same event id are excused."""
        return not (self.lost or self.torn or self.corrupt or self.duplicated - self.copies_same_id)

    def note(self, kind: str, text: str) -> None:
        kept = self.details.setdefault(kind, [])
        if len(kept) < KEPT_DETAILS:
            kept.append(text)


def parse_line(message: str) -> Line | None:
    """The line that a message is, or None for what is no whole line: a piece of one, or several."""
    start, end = START.match(message), END.search(message)
    if start is None or end is None or START.search(message, start.end()):
        return None
    covered = message[: end.start()].encode(errors="surrogatepass")
    said = int(end["json_crc"] or end["crc"], 16)
    return Line(
        start["json_writer"] or start["writer"], int(start["json_n"] or start["n"]), zlib.crc32(covered) == said
    )


class Judge:
    """Takes records one by one, in the order in which they were delivered; holds numbers, never lines.

    `order`: "writer" wants a writer's lines in order over all files it ever wrote; "file" only those of one file instance and
    epoch, which the records' event ids name (`stream:epoch:end`): rotated files may overtake each other.
    """

    def __init__(self, written: Mapping[str, int], order: Order = "writer") -> None:
        self._written = written
        self._order = order
        self._copies: dict[str, Counter[int]] = {writer: Counter() for writer in written}
        self._ids: dict[tuple[str, int], set[str]] = {}
        self._newest: dict[tuple[str, str], int] = {}
        self._verdict = Verdict()

    def take(self, record: Mapping[str, Any]) -> None:
        """Count one delivered record."""
        message = record.get("message")
        line = parse_line(message) if isinstance(message, str) else None
        self._verdict.delivered += 1
        if line is None:
            self._verdict.torn += 1
            self._verdict.note("torn", repr(message)[:200])
        elif not line.whole or not 0 <= line.sequence < self._written.get(line.writer, 0):
            self._verdict.corrupt += 1
            self._verdict.note("corrupt", repr(message)[:200])
        else:
            self._take_line(line, record.get("evt_id"))

    def verdict(self) -> Verdict:
        """What stands once everything was taken."""
        self._verdict.lost = 0
        self._verdict.details.pop("lost", None)
        for writer, lines in self._written.items():
            copies = self._copies[writer]
            self._verdict.lost += lines - len(copies)
            if len(copies) < lines:
                missing = [str(number) for number in range(lines) if number not in copies][:KEPT_DETAILS]
                self._verdict.note("lost", f"{writer}: {lines - len(copies)} of {lines}: {' '.join(missing)}")
        return self._verdict

    def _take_line(self, line: Line, evt_id: str | None) -> None:
        copies = self._copies[line.writer]
        copies[line.sequence] += 1
        kept_in_order = (line.writer, evt_id.rpartition(":")[0] if evt_id and self._order == "file" else "")
        newest = self._newest.get(kept_in_order, -1)
        if copies[line.sequence] > 1:
            self._verdict.duplicated += 1
            self._verdict.note("duplicated", f"{line.writer} {line.sequence} (evt_id {evt_id})")
        elif line.sequence < newest:
            self._verdict.reordered += 1
            self._verdict.note("reordered", f"{line.writer} {line.sequence} after {newest}")
        else:
            self._newest[kept_in_order] = line.sequence
        if evt_id is not None:
            self._take_id(line, evt_id, again=copies[line.sequence] > 1)

    def _take_id(self, line: Line, evt_id: str, *, again: bool) -> None:
        seen = self._ids.setdefault((line.writer, line.sequence), set())
        if again and evt_id in seen:
            self._verdict.copies_same_id += 1
        elif again:
            self._verdict.copies_other_id += 1
        seen.add(evt_id)


def judge(
    written_summary: Mapping[str, Any], delivered_records: Iterable[Mapping[str, Any]], order: Order = "writer"
) -> Verdict:
    """Judge all that was delivered. `written_summary` is a writer's summary, or only its `lines`: writer -> number of lines."""
    trial = Judge(written_summary.get("lines", written_summary), order)
    for record in delivered_records:
        trial.take(record)
    return trial.verdict()


def records_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The records of a tailer that delivered just these lines."""
    return [{"message": line} for line in lines]


def read_summary(path: Path) -> dict[str, Any]:
    """What the writers of one process say they wrote."""
    return json.loads(path.read_text())


def read_records(*paths: Path) -> Iterator[dict[str, Any]]:
    """The records of JSON-lines files, in order: a file sink's output, or a fake intake's record file. A path that is not there yet holds none.

    A last line without its newline was being written at a kill, and is no record.
    """
    for path in paths:
        if not path.exists():
            continue
        with path.open("rb") as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    yield json.loads(line)
