"""An aggregator that keeps nothing: answers the wire protocol, stores no byte and fsyncs nothing, so that a collector is measured alone.

`python -m bench.null_aggregator --port N [--tls PORT CERTIFICATE KEY]`. Compares and moves marks as rule 2 says, and calls everything delivered at once.
"""

from collections import defaultdict
from pathlib import Path

import msgspec
from aiohttp import web

from bench.serve import TlsDoor, port_parser, serve
from towline.wire.block import BlocksAnswer, BlocksRequest, Code, Frame, FrameAnswer, MarksAnswer, Row
from towline.wire.codec import ANSWER_TYPE, decode_request, encode_answer
from towline.wire.identity import Pod
from towline.wire.snapshot import SnapshotAnswer, SnapshotRequest

JOURNAL_ID = "null-journal"


class NullAggregator:
    """Rows by pod, and nothing else."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, dict[tuple[str, int], Row]] = defaultdict(dict)

    async def blocks(self, request: web.Request) -> web.Response:
        asked = decode_request(await request.read(), BlocksRequest)
        if asked.journal not in ("", JOURNAL_ID):
            return _answer(self._marks(asked.pod), Code.OTHER_JOURNAL)
        rows = self._rows[msgspec.msgpack.decode(asked.pod, type=Pod).uid]
        return _answer(BlocksAnswer(journal=JOURNAL_ID, frames=tuple(_take(rows, frame) for frame in asked.frames)))

    async def marks(self, request: web.Request) -> web.Response:
        return _answer(MarksAnswer(journal=JOURNAL_ID, rows=tuple(self._rows[request.query["pod"]].values())))

    async def snapshots(self, request: web.Request) -> web.Response:
        asked = decode_request(await request.read(), SnapshotRequest)
        return _answer(SnapshotAnswer(journal=JOURNAL_ID, code=Code.STORED, sequence=asked.sequence))

    async def ready(self, _request: web.Request) -> web.Response:
        return web.Response(text="ready\n")

    def _marks(self, pod: msgspec.Raw) -> MarksAnswer:
        return MarksAnswer(
            journal=JOURNAL_ID, rows=tuple(self._rows[msgspec.msgpack.decode(pod, type=Pod).uid].values())
        )


def _take(rows: dict[tuple[str, int], Row], frame: Frame) -> FrameAnswer:
    """Compare one frame with its row and move the mark."""
    key = (frame.stream, frame.epoch)
    mark = rows[key].mark if key in rows else frame.base or 0
    code = Code.STORED if frame.start <= mark else Code.REWIND
    if code == Code.STORED and frame.end >= mark:
        mark = frame.end
        rows[key] = Row(
            stream=frame.stream, epoch=frame.epoch, mark=mark, delivered=mark, print=frame.print, path=frame.origin.path
        )
    return FrameAnswer(stream=frame.stream, code=code, epoch=frame.epoch, mark=mark, delivered=mark)


def _answer(answer: msgspec.Struct, status: int = Code.STORED) -> web.Response:
    return web.Response(body=encode_answer(answer), status=status, content_type=ANSWER_TYPE)


def main() -> None:
    aggregator = NullAggregator()
    routes = [
        web.post("/v1/blocks", aggregator.blocks),
        web.get("/v1/marks", aggregator.marks),
        web.post("/v1/snapshots", aggregator.snapshots),
        web.get("/readyz", aggregator.ready),
    ]
    parser = port_parser()
    parser.add_argument("--tls", nargs=3, metavar=("PORT", "CERTIFICATE", "KEY"), help="a second port, for TLS")
    arguments = parser.parse_args()
    tls = None
    if arguments.tls:
        port, certificate, key = arguments.tls
        tls = TlsDoor(int(port), Path(certificate), Path(key))
    serve(routes, arguments.port, tls)


if __name__ == "__main__":
    main()
