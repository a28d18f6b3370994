"""A Datadog intake that keeps nothing: reads a body, answers 202. With `--stamps` it opens the body and notes how old each stamped line was.

`python -m bench.null_intake --port N [--stamps]`; `GET /ages` gives the ages in seconds since the last `DELETE /ages`.
"""

import re
import time
import zlib

from aiohttp import web
from backports import zstd

from bench.serve import port_parser, serve

STAMP = re.compile(rb"at=(\d{19})")


class NullIntake:
    """Counts nothing unless asked for ages."""

    def __init__(self, *, wants_stamps: bool) -> None:
        self._wants_stamps = wants_stamps
        self._ages: list[float] = []

    async def logs(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self._wants_stamps:
            now = time.time_ns()
            opened = _open(body, request.headers.get("Content-Encoding", "identity"))
            self._ages += [(now - int(stamp)) / 1e9 for stamp in STAMP.findall(opened)]
        return web.json_response({}, status=202)

    async def validate(self, _request: web.Request) -> web.Response:
        return web.json_response({"valid": True})

    async def ages(self, _request: web.Request) -> web.Response:
        return web.json_response(self._ages)

    async def forget(self, _request: web.Request) -> web.Response:
        self._ages.clear()
        return web.json_response({})


def _open(body: bytes, encoding: str) -> bytes:
    if encoding == "zstd":
        return zstd.decompress(body)
    return zlib.decompress(body, wbits=47) if encoding in ("gzip", "deflate") else body


def main() -> None:
    parser = port_parser()
    parser.add_argument("--stamps", action="store_true")
    arguments = parser.parse_args()
    intake = NullIntake(wants_stamps=arguments.stamps)
    routes = [
        web.post("/api/v2/logs", intake.logs),
        web.get("/api/v1/validate", intake.validate),
        web.get("/readyz", intake.validate),
        web.get("/ages", intake.ages),
        web.delete("/ages", intake.forget),
    ]
    serve(routes, arguments.port)


if __name__ == "__main__":
    main()
