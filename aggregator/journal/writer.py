"""The one thread that writes: it takes everything that waits into one transaction, and only then lets the callers go on.

Room: aggregator journal. Never enters: what the operations do; the event loop's state (told by `publish`, on the loop).
"""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from aggregator.journal.books import Effects
from aggregator.journal.faults import FILE_ERRORS, is_damage, is_full
from aggregator.journal.store import Store
from aggregator.journal.words import RETRY_REPLACED_SECONDS, JournalDownError, JournalFullError

GROUP_BYTES = (
    8 << 20
)  # of bodies in one transaction: bounds the WAL, and how long the first of the group waits for the last
GROUP_OPERATIONS = 512

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Operation:
    """What to run inside a transaction. `grows`: it brings bodies. `journal`: the only journal_id it is meant for ("": any).

    `fsyncs`: False where losing it to a power cut costs copies and nothing else (docs/adr/0004-settling-without-fsync.md).
    `resolve` is called on the event loop with the result and None, or None and the error.
    """

    run: Callable[[Store], Any]
    resolve: Callable[[Any, BaseException | None], None]
    grows: bool = False
    weight_bytes: int = 0
    journal: str = ""
    fsyncs: bool = True


Outcome = tuple[Operation, Any, BaseException | None]
Publish = Callable[[Sequence[Effects], Sequence[Outcome]], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the thread calls: `publish` after each commit, `replace` when a journal is damaged, `on` at the points tests name, `down` at the end."""

    publish: Publish
    replace: Callable[[Store, str], Store]
    on: Callable[[str], None]
    down: Callable[[JournalDownError], None]


class Writer:
    """Group commit. Every method but `submit` and `stop` runs on the thread."""

    def __init__(self, store: Store, around: Surroundings) -> None:
        self.store = store
        self._around = around
        self._inbox: queue.SimpleQueue[Operation | None] = queue.SimpleQueue()
        self._down: JournalDownError | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, operation: Operation) -> None:
        """Hand in an operation, from any thread."""
        self._inbox.put(operation)

    def stop(self) -> None:
        """Finish what was handed in before, and end the thread. Blocks."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            group, goes_on = self._gather()
            try:
                self._serve(group)
            except JournalDownError as error:
                self._go_down(error, group)
            except BaseException as error:  # noqa: BLE001 - the thread's outermost loop: nobody else would hear of it
                self._go_down(JournalDownError(f"journal: {type(error).__name__}: {error}"), group)

    def _gather(self) -> tuple[list[Operation], bool]:
        """Wait for one operation, then take what else waits, up to the group's bounds; False once the end was asked for."""
        group: list[Operation] = []
        weight_bytes = 0
        while True:
            try:
                operation = self._inbox.get(block=not group)
            except queue.Empty:
                return group, True
            if operation is None:
                return group, False
            group.append(operation)
            weight_bytes += operation.weight_bytes
            if weight_bytes >= GROUP_BYTES or len(group) >= GROUP_OPERATIONS:
                return group, True

    def _serve(self, group: list[Operation]) -> None:
        if self._down is not None:
            raise self._down
        # Tried at most as asked, again with the reserve given up, and again on another journal.
        for _ in range(3):
            if not group:
                return
            try:
                effects, outcomes = self._transact(group)
            except FILE_ERRORS as error:
                self.store.rollback()
                group = self._after(error, group)
                continue
            self._around.publish(effects, outcomes)
            self._tidy()
            return
        self._refuse(group, JournalFullError("journal: no room even to settle"))

    def _transact(self, group: list[Operation]) -> tuple[list[Effects], list[Outcome]]:
        """Run a group in one transaction. Raises what makes the whole of it fail."""
        self.store.begin(
            grows=any(operation.grows for operation in group), fsyncs=any(operation.fsyncs for operation in group)
        )
        outcomes = [self._attempt(operation) for operation in group]
        self._around.on("journal.before_commit")
        effects = self.store.commit()
        self._around.on("journal.after_commit")
        return effects, outcomes

    def _attempt(self, operation: Operation) -> Outcome:
        if operation.journal and operation.journal != self.store.journal_id:
            return operation, None, JournalFullError("journal: another one has begun", RETRY_REPLACED_SECONDS)
        try:
            return operation, self.store.attempt(operation.run), None
        except Exception as error:
            if not self.store.db.in_transaction or is_damage(error) or is_full(error):
                raise
            return operation, None, error

    def _after(self, error: Exception, group: list[Operation]) -> list[Operation]:
        """What of a failed group can be tried again at once; the others are answered."""
        if is_damage(error):
            self._replace(error)
            refusal = JournalFullError("journal: it was damaged, another one has begun", RETRY_REPLACED_SECONDS)
        elif is_full(error):
            self._make_room()
            refusal = self.store.space.refuse("the volume is full")
        else:  # locked by somebody, or out of memory: nothing happened
            self._refuse(group, JournalFullError(f"journal: {error}", RETRY_REPLACED_SECONDS))
            return []
        self._refuse([operation for operation in group if operation.grows], refusal)
        return [operation for operation in group if not operation.grows]

    def _tidy(self) -> None:
        """Checkpoint if it is time. What was acknowledged is in the WAL, fsynced: a full volume can wait, damage cannot."""
        try:
            self.store.checkpoint_if_due()
        except FILE_ERRORS as error:
            if is_damage(error):
                self._replace(error)
            elif is_full(error):
                self._make_room()

    def _make_room(self) -> None:
        """The volume is full: give up the reserve, and see that the WAL's own bytes can be written over from their start."""
        if self.store.space.give_up_reserve():
            log.warning("journal_reserve_given_up", path=str(self.store.terms.path))
            effects = Effects()
            effects.counts["reserves_given_up"] += 1
            self._around.publish([effects], [])
        try:
            self.store.checkpoint("RESTART")
        except FILE_ERRORS as error:
            if is_damage(error):
                self._replace(error)

    def _replace(self, error: Exception) -> None:
        log.error("journal_damaged", path=str(self.store.terms.path), journal=self.store.journal_id, error=str(error))
        self.store = self._around.replace(self.store, str(error))
        log.warning("journal_begun", path=str(self.store.terms.path), journal=self.store.journal_id)

    def _refuse(self, group: list[Operation], error: BaseException) -> None:
        self._around.publish([], [(operation, None, error) for operation in group])

    def _go_down(self, error: JournalDownError, group: list[Operation]) -> None:
        if self._down is None:
            self._down = error
            log.error("journal_went_down", path=str(self.store.terms.path), error=str(error))
            self._around.down(error)
        self._refuse(group, self._down)
