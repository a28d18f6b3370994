"""What became of files, as lines of our log.

Room: collector shell. Never enters: what follows from an event (core/custody.py).
"""

import structlog

from collector.core.files import Event, Gone, Inherited, Missing, Opened, Truncated, Waiting

_log = structlog.get_logger()


def tell(event: Event) -> None:
    """A change of state is worth a line; more than that is not."""
    match event:
        case Opened():
            _log.info("file_opened", path=event.origin.path, file_id=event.stream_id, offset=event.offset)
        case Inherited():
            _log.info("file_copy_followed", path=event.origin.path, file_id=event.stream_id, offset=event.offset)
        case Truncated():
            level = _log.warning if event.lost_bytes_at_least else _log.info
            level("file_truncated", file_id=event.stream_id, epoch=event.epoch, lost_bytes=event.lost_bytes_at_least)
        case Missing():
            _log.error("file_missing", file_id=event.stream_id, lost_bytes=event.size_bytes)
        case Gone():
            _log.info("file_gone", file_id=event.stream_id)
        case Waiting():
            _log.debug("file_waited_for", inode=event.key.inode)
