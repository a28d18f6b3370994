"""The checkpoint: what was delivered, by which journal at which peer. Losing it is harmless.

Room: collector shell. Never enters: what follows from it. Every call blocks (fsync): run it on a worker thread.
"""

import os
from pathlib import Path

import msgspec

from collector.core.custody import Kept

VERSION = 1


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a later life of the collector needs beside the journal's rows."""

    version: int = VERSION
    journal: str = ""
    peer: str = ""
    delivered: tuple[Kept, ...] = ()


class CheckpointFile:
    """`checkpoint.json` in the state folder, replaced whole: written beside, fsynced, renamed."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "checkpoint.json"

    def load(self) -> Checkpoint | None:
        """The last one saved; None where there is none, or none that can be read: the journal's rows then say everything."""
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=Checkpoint)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return found if found.version == VERSION else None

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint. Raises OSError (disk full, read-only): the old one stands, and nothing is lost by that."""
        beside = self._path.with_suffix(".tmp")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(checkpoint))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
