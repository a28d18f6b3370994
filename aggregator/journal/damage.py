"""Setting a damaged file aside, so that another journal can begin; every step can be cut short and is finished at the next start.

Room: aggregator journal. Never enters: SQLite (nothing here may touch the damaged file's content); threads.
"""

import os
from pathlib import Path

from aggregator.journal.space import beside
from aggregator.journal.words import JournalDownError


def aside_path(path: Path) -> Path:
    """Where a damaged journal lies."""
    return beside(path, ".aside")


def marked(path: Path) -> bool:
    """True if the file that lies there was found damaged, and is not to be believed by anyone who starts."""
    return beside(path, ".damaged").exists()


def mark(path: Path) -> None:
    """Say so, before anything else."""
    beside(path, ".damaged").touch(mode=0o600)
    sync_folder(path)


def set_aside(path: Path) -> None:
    """Rename the marked file and its WAL. Raises JournalDownError where one lies there already, OSError where it cannot be done."""
    aside = aside_path(path)
    if path.exists() and aside.exists():
        raise JournalDownError(
            f"{path}: damaged a second time while {aside.name} is still there. Look at the disk; then move {aside.name} away and delete "
            f"{path.name}, {path.name}-wal and {path.name}.damaged"
        )
    # The WAL goes first: a file without its WAL would look whole and lack what was committed last. The mark covers the time between.
    for old, new in ((beside(path, "-wal"), beside(aside, "-wal")), (path, aside)):
        if old.exists() and not new.exists():
            old.rename(new)
    sync_folder(path)


def clear(path: Path) -> None:
    """Take away what is left of the connections to the file set aside, and the mark."""
    for suffix in ("-wal", "-shm", ".damaged"):
        beside(path, suffix).unlink(missing_ok=True)
    sync_folder(path)


def drop_aside(path: Path) -> None:
    """Delete the file set aside: what could be read of it has been."""
    aside = aside_path(path)
    for suffix in ("-shm", "-wal", ""):
        beside(aside, suffix).unlink(missing_ok=True)
    sync_folder(path)


def sync_folder(path: Path) -> None:
    """Make names durable."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
