"""A configuration that changes while the service runs: noticed, read, checked, put in the place of the old one. What is wrong with it leaves the old one where it is.

Room: plumbing. Never enters: what a configuration holds, how it is put in place (passed in).

Three ways to ask for it: a ConfigMap whose `..data` link was swapped (or a file that was saved), SIGHUP, `POST /-/reload`.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Literal, TypeVar

import structlog

from towline.plumbing.errors import ConfigError

POLL_SECONDS = 5.0  # the kubelet itself takes up to a minute to swap a ConfigMap

ConfigT = TypeVar("ConfigT")
Outcome = Literal["applied", "unchanged", "refused"]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReloadState:
    """`generation`: how many configurations this process has run with; `error`: why the last one was refused, "" where it was not."""

    generation: int = 1
    refused: int = 0
    error: str = ""
    applied_unix: float = 0.0


class Reloading(Generic[ConfigT]):
    """Watches, and reloads; one at a time.

    `load` reads the configuration again and checks it (on a thread; raises ConfigError); `apply` puts it in place, or raises
    ConfigError having changed nothing. `files`: what it is made of. Configurations are compared: one that says the same is not applied.
    """

    def __init__(
        self,
        config: ConfigT,
        load: Callable[[], ConfigT],
        apply: Callable[[ConfigT], Awaitable[None]],
        files: Callable[[], Sequence[Path]],
    ) -> None:
        self._config, self._load, self._apply, self._files = config, load, apply, files
        self._asked = asyncio.Event()
        self._waiting: list[asyncio.Future[Outcome]] = []
        self._looks = _looks_of(files())
        self.state = ReloadState(applied_unix=time.time())

    def ask(self) -> "asyncio.Future[Outcome]":
        """Have `run` reload soon; what came of it. Whoever asked may leave: the reload goes on."""
        waiting: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._asked.set()
        return waiting

    async def run(self) -> None:
        """Reload when asked, at SIGHUP, or when a file looks different. Runs until cancelled."""
        with _on_hangup(self._asked.set):
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._asked.wait()
                if self._asked.is_set() or _looks_of(self._files()) != self._looks:
                    self._asked.clear()
                    waiting, self._waiting = self._waiting, []
                    outcome = await self.reload()
                    for one in waiting:
                        if not one.done():
                            one.set_result(outcome)

    async def reload(self) -> Outcome:
        """Read the configuration, and go on with it if it is good and another one. One at a time: `run` calls this."""
        self._looks = _looks_of(self._files())
        try:
            config = await asyncio.to_thread(self._load)
            if config == self._config:
                self.state = replace(self.state, error="")
                return "unchanged"
            await self._apply(config)
        except ConfigError as error:
            self.state = replace(self.state, refused=self.state.refused + 1, error=str(error))
            _log.error("configuration_refused", error=str(error), generation=self.state.generation)
            return "refused"
        except Exception as error:  # noqa: BLE001 - the outermost loop: the configuration that runs goes on
            self.state = replace(self.state, refused=self.state.refused + 1, error=f"unexpected {type(error).__name__}")
            _log.exception("configuration_not_applied", generation=self.state.generation)
            return "refused"
        self._config = config
        self.state = ReloadState(self.state.generation + 1, self.state.refused, "", time.time())
        _log.info("configuration_applied", generation=self.state.generation)
        return "applied"


@contextlib.contextmanager
def _on_hangup(ask: Callable[[], None]) -> Iterator[None]:
    """Call `ask` at SIGHUP."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, ask)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def _looks_of(files: Sequence[Path]) -> list[tuple[int, int, int] | None]:
    """What tells files from those that were there before, links followed: a ConfigMap's files all change with its `..data` link."""
    looks: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            found = file.stat()
        except OSError:
            looks.append(None)
        else:
            looks.append((found.st_ino, found.st_mtime_ns, found.st_size))
    return looks
