"""Name resolution that nobody has to wait for: getaddrinfo cannot be cut short, and takes minutes where name servers are silent.

Room: collector shell. Never enters: which address is chosen (core/peers.py). A lookup on the loop's own threads would take them all
one by one, and the process could not end before the last of them.
"""

import asyncio
import contextlib
import socket
import threading


class Resolver:
    """One lookup at a time. An answer that comes too late for who asked is the answer to who asks next."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._pending: asyncio.Future[list[str]] | None = None

    async def addresses(self) -> list[str]:
        """The addresses behind the host name, each once. Raises OSError or UnicodeError (a name that cannot be one)."""
        pending = self._pending
        if pending is None:
            pending = self._pending = asyncio.get_running_loop().create_future()
            pending.add_done_callback(_notice)
            threading.Thread(target=self._look_up, args=(pending,), name="resolver", daemon=True).start()
        try:
            return await asyncio.shield(pending)
        finally:
            if pending.done():
                self._pending = None

    def _look_up(self, pending: "asyncio.Future[list[str]]") -> None:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            addresses, error = list(dict.fromkeys(str(entry[4][0]) for entry in found)), None
        except (OSError, UnicodeError) as raised:
            addresses, error = [], raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            pending.get_loop().call_soon_threadsafe(_settle, pending, addresses, error)


def _settle(pending: "asyncio.Future[list[str]]", addresses: list[str], error: Exception | None) -> None:
    if pending.done():
        return
    if error is None:
        pending.set_result(addresses)
    else:
        pending.set_exception(error)


def _notice(pending: "asyncio.Future[list[str]]") -> None:
    """An error that came when nobody waited is no error of the loop's."""
    if not pending.cancelled():
        pending.exception()
