"""How the bench's own servers listen: bodies as they came (aiohttp would inflate them), no access log."""

import argparse
import asyncio
import ssl
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

MAX_BODY_BYTES = 64 << 20


class TlsDoor(NamedTuple):
    """A second port, for TLS: the one that is measured may use it while the one that measures keeps to the plain one."""

    port: int
    certificate: Path
    key: Path


async def _serve(routes: list[web.RouteDef], port: int, tls: TlsDoor | None) -> None:
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, handle_signals=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls.certificate, tls.key)
        await web.TCPSite(runner, "127.0.0.1", tls.port, ssl_context=context).start()
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def serve(routes: list[web.RouteDef], port: int, tls: TlsDoor | None = None) -> None:
    """Serve on 127.0.0.1 until stopped."""
    asyncio.run(_serve(routes, port, tls))


def port_parser() -> argparse.ArgumentParser:
    """A parser that knows `--port`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    return parser
