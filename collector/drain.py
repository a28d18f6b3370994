"""How a collector leaves (protocol rule 14): everything stored if it can be, then a little time for delivery, then a word about the rest.

Room: collector shell. Never enters: exit codes (app.py).
"""

import asyncio
import contextlib
from dataclasses import dataclass

import structlog

from collector.shipper import Shipper
from towline.wire.block import Code

MARGIN_SECONDS = 1.0  # of the grace, kept for the last words
QUIET_SECONDS = 1.0  # everything is stored when nothing was written for this long
TURN_SECONDS = 0.05  # between two tries: the peer is asked again at once, not flooded

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Left:
    """What was left behind: bytes of files that no journal holds, by path, and stored bytes that were not delivered."""

    unstored_bytes: dict[str, int]
    undelivered_bytes: int


async def drain(shipper: Shipper, grace_seconds: float, delivered_seconds: float) -> Left:
    """Ship what is there, within `grace_seconds`; of them at most `delivered_seconds` after everything is stored."""
    clock = shipper.clock
    deadline = clock() + max(0.0, grace_seconds - MARGIN_SECONDS)
    shipper.hurry()
    # What still waits for an answer when the time is over is let go: the last words below must be said before we are killed.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(deadline - clock()):
            if await _until_stored(shipper, deadline):
                await _until_delivered(shipper, min(deadline, clock() + delivered_seconds))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, deadline - clock()) + MARGIN_SECONDS / 2):
            await shipper.watcher.rest()
            await _say_goodbye(shipper)
    await shipper.keeper.save(shipper.custody, shipper.link.peers.current, clock())
    left = Left(shipper.watcher.unstored_bytes(shipper.custody), shipper.custody.waiting_bytes)
    _tell(left)
    return left


async def _until_stored(shipper: Shipper, deadline: float) -> bool:
    clock = shipper.clock
    quiet_since: float | None = None
    while clock() < deadline:
        if not shipper.progress.met:
            await shipper.meet_once()
        else:
            await shipper.round(draining=True)
        if shipper.progress.met and not shipper.watcher.unstored_bytes(shipper.custody):
            quiet_since = clock() if quiet_since is None else quiet_since
            if clock() - quiet_since >= QUIET_SECONDS:
                return True
        else:
            quiet_since = None
        await _pause(shipper, deadline)
    return False


async def _pause(shipper: Shipper, deadline: float) -> None:
    """Wait as long as the peer told us to, a moment at least: back-off by itself is cut short."""
    told = shipper.pace.hold_until if shipper.progress.waiting_for in _ANSWERS else 0.0
    until = min(max(shipper.clock() + TURN_SECONDS, told), deadline)
    # Not until something changes: an app that writes without pause would have us ask without pause.
    await asyncio.sleep(max(0.0, until - shipper.clock()))


_ANSWERS = (f"status_{int(Code.BUSY)}", f"status_{int(Code.UNAVAILABLE)}")


async def _until_delivered(shipper: Shipper, deadline: float) -> None:
    """What is written meanwhile is shipped too."""
    while shipper.custody.waiting_bytes and shipper.clock() < deadline:
        if not await shipper.round(draining=True) and shipper.progress.waiting_for == "no_answer":
            return
        if shipper.custody.waiting_bytes:
            await _pause(shipper, deadline)


async def _say_goodbye(shipper: Shipper) -> None:
    if shipper.progress.met:
        await shipper.exchange(shipper.custody.request(shipper.progress.max_body_bytes), goodbye=True)


def _tell(left: Left) -> None:
    for path, size_bytes in sorted(left.unstored_bytes.items()):
        _log.error("bytes_left_unstored", path=path, size_bytes=size_bytes)
    if left.undelivered_bytes:
        _log.warning("bytes_left_undelivered", size_bytes=left.undelivered_bytes)
    _log.info(
        "drain_finished", unstored_bytes=sum(left.unstored_bytes.values()), undelivered_bytes=left.undelivered_bytes
    )
