"""What stands on a pod's localhost and means no good: endpoints that answer as an app never should, by path; and what a page of metrics must stay for all that."""

import asyncio
import contextlib
import subprocess
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
ENDLESS_BYTES = 512 << 20
PIECE = b"endless_total 1\n" * 4096


def answer(text, content_type="text/plain; version=0.0.4", status="200 OK"):
    """A whole and honest HTTP answer."""
    body = text if isinstance(text, bytes) else text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def silent(_writer):
    await asyncio.sleep(60)


async def dripping(writer):
    """A byte every now and then: never done, never silent."""
    writer.write(answer("x" * 1000).partition(b"xxx")[0])
    for _ in range(1000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless_chunks(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _pour(writer, b"%x\r\n%b\r\n" % (len(PIECE), PIECE))


async def endless_length(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % ENDLESS_BYTES)
    await _pour(writer, PIECE)


async def _pour(writer, piece):
    for _ in range(ENDLESS_BYTES // len(PIECE)):
        writer.write(piece)
        await writer.drain()


class Endpoints:
    """One port of localhost; what a path says is in `said`: bytes, bytes in turn (a list, the last for ever), or what writes them. `async with` opens it."""

    def __init__(self, said):
        self.said = dict(said)
        self.asked = []  # paths, as they came

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    async def __aenter__(self):
        self._serving = {}
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task, writer in self._serving.items():
            task.cancel()
            writer.transport.abort()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._serving[task] = writer
        try:
            # Cancelled is how it is let go of; streams of Python 3.11 would log that as an error.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode().removeprefix("/")
                    self.asked.append(path)
                    await self._say(self.said[path], writer)
        finally:
            writer.transport.abort()
            del self._serving[task]

    async def _say(self, said, writer):
        if callable(said):
            await said(writer)
            return
        if isinstance(said, list):
            said = said.pop(0) if len(said) > 1 else said[0]
        writer.write(said)
        await writer.drain()


def get(url, accept=""):
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=10) as found:
        return found.read().decode()


def sound_page(url, ill_named=()):
    """Every series of the page, {(name, labels as sorted pairs): value}, once promtool and both of the official client's parsers have found nothing wrong with it.

    ill_named: families of which promtool may say that an app should have named or described them otherwise.
    """
    text, strict = get(f"{url}/metrics"), get(f"{url}/metrics", OPENMETRICS)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 3}, done.stderr  # 1 is what cannot be read, 3 what is only unusual
    found = {said.split()[0] for said in (done.stdout + done.stderr).splitlines()}
    assert found <= set(ill_named), done.stderr
    assert list(read_openmetrics(strict))
    samples = [one for family in read_text(text) for one in family.samples]
    series = {(one.name, tuple(sorted(one.labels.items()))): one.value for one in samples}
    assert len(series) == len(samples), "a series stands there twice"
    return series


def valued(series, name, **labels):
    """The values of all series of a name with these labels."""
    wanted = set(labels.items())
    return [value for (found, pairs), value in series.items() if found == name and wanted <= set(pairs)]
