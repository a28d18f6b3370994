"""What changed from one scan to the next: most files did not, and five thousand of them must cost next to nothing.

Room: core. Never enters: the file system, clocks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from collector.core.files import FileKey, Scan, Seen


@dataclass(frozen=True, slots=True)
class Changes:
    """Files that are new or looked different, and instances that no complete scan shows any more (as they were last seen)."""

    seen: tuple[Seen, ...]
    vanished: tuple[Seen, ...]


NOTHING = Changes((), ())


class Present:
    """The files there are, by instance. A file with several names is known under the one it was first seen by."""

    def __init__(self) -> None:
        self._last = Scan()
        self._by_label: dict[str | FileKey, Seen] = {}
        self._by_key: dict[FileKey, Seen] = {}

    @property
    def files(self) -> Mapping[FileKey, Seen]:
        return self._by_key

    def take(self, scan: Scan) -> Changes:
        """Compare a scan with what was there before it."""
        if scan.files == self._last.files and scan.complete_roots == self._last.complete_roots:
            return (
                NOTHING  # compared by identity first: a scan that hands out the same values again costs almost nothing
            )
        by_label = _labelled(scan.files)
        known = self._by_label
        changed = [(label, seen) for label, seen in by_label.items() if known.get(label) is not seen]
        suspects = [seen for label, seen in known.items() if label not in by_label]
        for seen in suspects:
            if seen.key.root not in scan.complete_roots:
                by_label.setdefault(seen.path, seen)  # a folder could not be listed: nothing is known of its files
        suspects += [old for label, seen in changed if (old := known.get(label)) is not None and old.key != seen.key]
        self._last, self._by_label = scan, by_label
        different = self._update([seen for _, seen in changed])
        return Changes(tuple(different), tuple(self._drop(suspects)))

    def _update(self, changed: list[Seen]) -> list[Seen]:
        different = []
        for seen in changed:
            old = self._by_key.get(seen.key)
            if old is not None and old.path != seen.path and self._still_at(old):
                continue  # a second name of a file that is known by another
            self._by_key[seen.key] = seen
            if old != seen:
                different.append(seen)
        return different

    def _drop(self, suspects: list[Seen]) -> list[Seen]:
        """Forget the instances that are seen no more; one that lost only a name is known by another."""
        alive = {seen.key: seen for seen in self._by_label.values()} if suspects else {}
        vanished = []
        for seen in suspects:
            other = alive.get(seen.key)
            if other is None and self._by_key.pop(seen.key, None) is not None:
                vanished.append(seen)
            elif other is not None and not self._still_at(self._by_key[seen.key]):
                self._by_key[seen.key] = other
        return vanished

    def _still_at(self, seen: Seen) -> bool:
        found = self._by_label.get(seen.path)
        return (found is not None and found.key == seen.key) or seen.key in self._by_label


def _labelled(files: tuple[Seen, ...]) -> dict[str | FileKey, Seen]:
    """Files by path; one whose path another file has now (unlinked and still open) by its instance."""
    labelled: dict[str | FileKey, Seen] = {}
    for seen in files:
        if labelled.setdefault(seen.path, seen) is not seen:
            labelled[seen.key] = seen
    return labelled
