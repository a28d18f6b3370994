"""How the bench's own servers listen: bodies as they came (aiohttp would inflate them), no access log."""

import argparse
import asyncio

from aiohttp import web

MAX_BODY_BYTES = 64 << 20


async def _serve(routes: list[web.RouteDef], port: int) -> None:
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, handle_signals=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def serve(routes: list[web.RouteDef], port: int) -> None:
    """Serve on 127.0.0.1 until stopped."""
    asyncio.run(_serve(routes, port))


def port_parser() -> argparse.ArgumentParser:
    """A parser that knows `--port`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    return parser
