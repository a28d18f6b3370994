"""The file sink: appends, fsyncs, and has the journal remember the length that is settled.

Room: aggregator sinks. Never enters: retries, batches, metrics (the forwarder's).
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog

from aggregator.core.records import Batch
from aggregator.core.remember import Remembered
from aggregator.sink import Limits, Receipt, Surroundings
from aggregator.sinks.file.appending import cut_to, first_length, forget_intent, opened, write_after
from aggregator.sinks.file.config import FileConfig, PathMaker
from aggregator.sinks.file.payload import LineMaker
from towline.plumbing.errors import ConfigError, RetryableError
from towline.plumbing.place import Place
from towline.wire.identity import Origin, Pod

_LIMITS = Limits(max_lines=50_000, max_bytes=4 << 20, line_overhead_bytes=100)
_MAX_THREADS = 4

_log = structlog.get_logger()


class FileSink:
    """One lane per path. A file is opened for each batch: none stays open, and one that was moved away is noticed.

    Exactly once: a file beyond the length that was settled is cut back before anything is written, at start and after any
    failure. What others append to it is lost that way: the files are this sink's own.
    """

    def __init__(self, config: FileConfig, surroundings: Surroundings) -> None:
        self._name, self._file = surroundings.name, surroundings.file
        self._path = PathMaker(config.path, surroundings.folder, surroundings.replica)
        self._known_path = Remembered(self._path)
        self._maker = LineMaker(event_ids=surroundings.options.event_id)
        self._lengths: dict[str, int] = {}  # settled bytes per path, as this process knows them
        self._intents: dict[str, int] = {}  # paths whose intent may still be on disk, and the length it names
        self._appends: dict[str, asyncio.Future[int]] = {}  # under way; a cancelled send's goes on in its thread
        # Threads of its own: a disk that hangs must not take those that other sinks encode on.
        self._threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix=f"sink-{surroundings.name}")

    @classmethod
    def build(cls, config: FileConfig, surroundings: Surroundings) -> "FileSink":
        return cls(config, surroundings)

    @property
    def limits(self) -> Limits:
        return _LIMITS

    def lane(self, pod: Pod, origin: Origin) -> str:
        return self._known_path(pod, origin)

    def key(self, pod: Pod, origin: Origin) -> str:
        return self._known_path(pod, origin)

    def encode(self, batch: Batch) -> bytes:
        return self._maker.make(batch)

    async def send(self, batch: Batch, payload: bytes) -> Receipt:
        """Return once the lines are on disk. Raises RetryableError, with the file as it was, where they cannot be written."""
        path = batch.key
        starts = [f"{piece.stream}:{piece.epoch}:{piece.start}" for piece in batch.slices]
        if path in self._appends:
            await asyncio.wait({self._appends[path]})
        append = asyncio.get_running_loop().run_in_executor(self._threads, self._append, path, payload, starts)
        self._appends[path] = append
        append.add_done_callback(partial(self._appended, path))
        try:
            length = await asyncio.shield(append)
        except (OSError, ValueError) as error:
            raise RetryableError(f"cannot write: {_reason(error)}") from error
        # Only here: a cancelled send never comes this far, and its bytes are cut off again by the next one.
        self._lengths[path] = length
        return Receipt(memo={path: str(length)})

    async def healthcheck(self) -> None:
        """Raises ConfigError where the folder that all paths share cannot be made or written to."""
        root = self._path.root
        try:
            await asyncio.to_thread(root.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise self._config_error(f"{root} cannot be made ({_reason(error)})") from error
        if not os.access(root, os.W_OK | os.X_OK):
            raise self._config_error(f"{root} is not writable")

    async def recall(self, memo: Mapping[str, str]) -> None:
        """Cut every file back to the length that was settled. Says loudly where one is shorter: lines were taken from it."""
        for path, text in memo.items():
            await asyncio.to_thread(self._recall_one, path, int(text))

    async def close(self) -> None:
        """No file is open between batches."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _appended(self, path: str, append: "asyncio.Future[int]") -> None:
        del self._appends[path]
        if not append.cancelled():
            append.exception()  # told to whoever waits, if anybody still does

    def _append(self, path: str, content: bytes, starts: Sequence[str]) -> int:
        """The length after `content` was appended and fsynced. Runs on a worker thread. Raises OSError."""
        with opened(path) as descriptor:
            if path not in self._lengths:
                self._lengths[path] = self._intents[path] = first_length(path, descriptor, starts)
            known, size = self._lengths[path], os.fstat(descriptor).st_size
            if path in self._intents and known > self._intents[path]:
                forget_intent(path)  # another batch of this lane is under way: the one before was settled
                del self._intents[path]
            if size < known:
                _log.error("file_found_shorter", sink=self._name, path=path, size_bytes=size, recorded_bytes=known)
                self._lengths[path] = known = size
            write_after(descriptor, known, content)
            return known + len(content)

    def _recall_one(self, path: str, recorded: int) -> None:
        try:
            found = cut_to(path, recorded)
            forget_intent(path)
        except OSError as error:
            raise RetryableError(f"cannot cut {path} back to its {recorded} settled bytes: {_reason(error)}") from error
        if found != recorded:
            _log.error("file_found_shorter", sink=self._name, path=path, size_bytes=found or 0, recorded_bytes=recorded)
        self._lengths[path] = found or 0

    def _config_error(self, problem: str) -> ConfigError:
        place = Place(self._file, f"sinks.{self._name}.path")
        return ConfigError(place.says(f"{problem}. Mount a writable volume there, or change the path"))


def _reason(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
