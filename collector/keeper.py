"""Keeps the checkpoint: when it is due, off the event loop, and never in the way.

Room: collector shell. Never enters: what a checkpoint is good for.
"""

import asyncio

import structlog

from collector.checkpoint import Checkpoint, CheckpointFile
from collector.core.custody import Custody

SAVE_SECONDS = 5.0  # at most this often; a change of journal or peer is written at once

_log = structlog.get_logger()


class Keeper:
    """Saves what changed. A checkpoint that cannot be saved is a warning: losing it is harmless."""

    def __init__(self, file: CheckpointFile) -> None:
        self._file = file
        self._saved: Checkpoint | None = None
        self._saved_at = float("-inf")
        self.failures = 0

    def load(self) -> Checkpoint | None:
        """What an earlier life saved. Blocks; called before the loop runs."""
        return self._file.load()

    async def save_if_due(self, custody: Custody, peer: str, now: float) -> None:
        if now - self._saved_at >= SAVE_SECONDS:
            await self.save(custody, peer, now)

    async def save(self, custody: Custody, peer: str, now: float) -> None:
        """Write the checkpoint if it would differ."""
        checkpoint = Checkpoint(journal=custody.journal, peer=peer, delivered=custody.checkpoint())
        if checkpoint == self._saved:
            return
        self._saved_at = now
        try:
            await asyncio.to_thread(self._file.save, checkpoint)
        except OSError as error:
            if not self.failures:
                _log.warning("checkpoint_refused", error=str(error))
            self.failures += 1
        else:
            self._saved = checkpoint
