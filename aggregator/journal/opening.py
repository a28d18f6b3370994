"""From a path to an open journal: folders, the lock, what an unfinished end has left, and what to do with a file that is damaged.

Room: aggregator journal. Never enters: operations; the event loop.
"""

import fcntl
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import structlog

from aggregator.journal import damage
from aggregator.journal.blocks import all_heads
from aggregator.journal.faults import FILE_ERRORS, is_damage, is_full, is_unusable
from aggregator.journal.space import Space, beside, size_of
from aggregator.journal.store import Store, Terms
from aggregator.journal.words import DamageError, JournalDownError, Share
from towline.plumbing.errors import ConfigError

log = structlog.get_logger(__name__)


class Lock:
    """Holds a journal for this process: two writers would each believe in marks that the other moves."""

    def __init__(self, path: Path) -> None:
        self._path = beside(path, ".lock")
        self.was_there = self._path.exists()
        self._descriptor = self._take()

    def _take(self) -> int:
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def renew(self) -> None:
        """Take it again where the folder was replaced under us. Raises OSError."""
        if not self._path.exists():
            os.close(self._descriptor)
            self._descriptor = self._take()

    def release(self) -> None:
        os.close(self._descriptor)


def take_lock(path: Path) -> Lock:
    """Make the folder and take the lock. Raises ConfigError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Lock(path)
    except BlockingIOError as error:
        raise ConfigError(
            f"{path}: another process holds this journal. Stop it, or name another file in journal.path"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be used as a journal: {error.strerror}. Name a file in a writable folder in journal.path"
        ) from error


def open_store(terms: Terms, shares: Mapping[str, Share], *, ours: bool) -> Store:
    """Open what lies there, or begin anew. `ours`: a journal was here before, so that rubbish must be ours and damaged.

    Raises ConfigError, or JournalDownError where a second damaged file would have to be set aside.
    """
    path = terms.path
    try:
        if damage.marked(path):
            _set_aside(path)
        try:
            store = _open(terms, shares)
        except FILE_ERRORS as error:
            _check_usable(path, error, ours=ours)
            log.error("journal_damaged", path=str(path), error=str(error))  # noqa: TRY400 - the message says it, a trace adds nothing
            damage.mark(path)
            _set_aside(path)
            store = _open(terms, shares)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be used as a journal: {error.strerror}. Look at the volume of journal.path"
        ) from error
    except FILE_ERRORS as error:
        raise ConfigError(
            f"{path}: cannot be used as a journal: {error}. Look at the volume of journal.path"
        ) from error
    return store


def replace_store(old: Store, lock: Lock) -> Store:
    """Set a damaged file aside while it is open, and begin another journal. Raises JournalDownError where that cannot be."""
    terms = old.terms
    try:
        terms.path.parent.mkdir(parents=True, exist_ok=True)
        damage.mark(terms.path)
        damage.set_aside(terms.path)
        old.close()  # only now: SQLite deletes the WAL by the name it had
        damage.clear(terms.path)
        lock.renew()
        store = _open(terms, old.shares)
    except (OSError, *FILE_ERRORS, ConfigError) as error:
        raise JournalDownError(
            f"{terms.path}: damaged, and no other journal can begin: {error}. Look at the volume of journal.path"
        ) from error
    store.books.next_block = old.committed.next_block  # forwarders know blocks by number
    return store


def _set_aside(path: Path) -> None:
    damage.set_aside(path)
    damage.clear(path)


def _open(terms: Terms, shares: Mapping[str, Share]) -> Store:
    path, space = terms.path, Space(terms.path, terms.max_bytes)
    if path.exists() and size_of(path) == 0 and size_of(beside(path, "-wal")):
        raise DamageError("the file is empty, its WAL is not")  # SQLite would delete that WAL
    found = os.statvfs(path.parent)
    smallest = 2 * space.floor_bytes
    if found.f_blocks * found.f_frsize < smallest:
        raise ConfigError(
            f"{path}: the volume is smaller than {smallest} bytes, twice its reserve and WAL. Use a larger volume, or lower journal.max_bytes"
        )
    try:
        store = Store(terms, shares, space)
    except sqlite3.Error as error:
        if not is_full(error) or not space.give_up_reserve():
            raise
        store = Store(terms, shares, space)
    try:
        store.heads = all_heads(store)
    except BaseException:
        store.close()
        raise
    if not space.make_reserve():
        log.warning("journal_reserve_missing", path=str(path), size_bytes=space.reserve_target_bytes)
    return store


def _check_usable(path: Path, error: Exception, *, ours: bool) -> None:
    """Raise ConfigError for what another path would cure: only a damaged journal of our own is set aside."""
    if isinstance(error, DamageError):
        return
    if is_unusable(error) or not is_damage(error):
        raise ConfigError(
            f"{path}: cannot be opened: {error}. Name a file in a writable folder in journal.path"
        ) from error
    if not ours:
        raise ConfigError(f"{path}: this is not a journal: {error}. Name another file in journal.path") from error
