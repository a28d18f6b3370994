"""The door for collectors: `POST /v1/blocks`, `GET /v1/marks`, `POST /v1/snapshots`.

Room: aggregator, HTTP. Never enters: SQL, sinks' vendors. docs/design/wire.md is the same in prose.

What cannot be true is refused frame by frame; everything else is the journal's to decide. Nothing is answered as stored
before the journal says that it is on disk.
"""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec
import structlog
from aiohttp import web

from aggregator.auth import Authenticator
from aggregator.body import Bodies, UnacceptableError
from aggregator.core.checks import fault_of_frame, fault_of_request, fault_of_snapshot
from aggregator.core.pace import Pace
from aggregator.custody import custody_of
from aggregator.debtors import Debtors, Speaker, UnknownSpeakerError
from aggregator.journal import Appended, Journal, JournalDownError, Submission
from aggregator.lives import Lives
from aggregator.metrics import IntakeMetrics
from towline.plumbing.errors import RetryableError
from towline.plumbing.kill_points import kill_point
from towline.wire.block import WIRE_VERSION, BlocksAnswer, BlocksRequest, Code, Frame, FrameAnswer, MarksAnswer
from towline.wire.codec import ANSWER_TYPE, decode_request, encode_answer
from towline.wire.identity import Pod
from towline.wire.snapshot import SnapshotAnswer, SnapshotRequest

_LEAVING_RETRY_SECONDS = 1
_VERSION_HEADER = "Towline-Wire"
_FIRST_VERSION = "1"  # what a request without the header speaks

log = structlog.get_logger()
T = TypeVar("T")


class SnapshotPage(Protocol):
    """What shows the pods' metrics."""

    def take(self, pod: Pod, request: SnapshotRequest, now: float) -> None: ...


@dataclass(slots=True, kw_only=True)
class Intake:
    """Handlers and what they share. `leaving` is set when the service drains."""

    journal: Journal
    authenticator: Authenticator
    debtors: Debtors
    bodies: Bodies
    pace: Pace
    metrics: IntakeMetrics
    page: SnapshotPage | None = None
    lives: Lives = field(default_factory=Lives)
    clock: Callable[[], float] = time.monotonic
    leaving: bool = False

    def routes(self) -> list[web.RouteDef]:
        """What this door answers to."""
        return [
            web.post("/v1/blocks", self._guarded("blocks", self._blocks)),
            web.get("/v1/marks", self._guarded("marks", self._marks)),
            web.post("/v1/snapshots", self._guarded("snapshots", self._snapshots)),
        ]

    def _guarded(
        self, route: str, answer: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """`answer`, behind version and token, with every refusal in the form that collectors read."""

        async def handler(request: web.Request) -> web.Response:
            try:
                response = self._refusal(request) or await answer(request)
            except UnacceptableError as error:
                response = self._error(error.status, str(error), retry_after_seconds=error.retry_after_seconds)
                response.force_close()  # the rest of the body may still be on its way
            except (msgspec.DecodeError, UnknownSpeakerError) as error:
                response = self._error(Code.UNREADABLE, str(error))
            except RetryableError as error:  # the journal cannot even be read at this moment
                response = self._error(Code.UNAVAILABLE, str(error), error.retry_after_seconds)
            except JournalDownError:  # the service learns of it by itself, and ends
                response = self._error(Code.UNAVAILABLE, "the journal is down")
            response.headers[_VERSION_HEADER] = str(WIRE_VERSION)
            self.metrics.requests.labels(route, str(response.status)).inc()
            return response

        return handler

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.headers.get(_VERSION_HEADER, _FIRST_VERSION) != str(WIRE_VERSION):
            answer = BlocksAnswer(
                journal=self.journal.journal_id,
                error=f"{_VERSION_HEADER}: this version is not spoken here",
                versions=(WIRE_VERSION,),
            )
            return _json(answer, Code.WIRE_VERSION)
        if not self.authenticator.allows(request.headers.get("Authorization", "")):
            refusal = self._error(Code.UNAUTHORIZED, "the token is missing or unknown")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        return None

    async def _blocks(self, request: web.Request) -> web.Response:
        async with self.bodies.read(request) as body:
            said = decode_request(body, BlocksRequest)
            speaker = self.debtors.speaker(said.pod)
            self.pace.count(speaker.pod.uid, self.clock())
            is_ours = said.journal == self.journal.journal_id
            if is_ours and (fault := fault_of_request(said)) is not None:  # before it could count as a life
                return self._error(*fault)
            if not is_ours or not self.lives.may_write(speaker.pod.uid, said.run):
                return _json(await self._rows_of(speaker.pod.uid), Code.OTHER_JOURNAL)
            if self.leaving and said.frames:
                return await self._busy(speaker, said, "draining: takes no new bytes", _LEAVING_RETRY_SECONDS)
            try:
                return await self._append(speaker, said)
            except RetryableError as error:
                return await self._busy(speaker, said, str(error), error.retry_after_seconds)

    async def _append(self, speaker: Speaker, said: BlocksRequest) -> web.Response:
        faults = {
            index: fault for index, frame in enumerate(said.frames) if (fault := fault_of_frame(frame)) is not None
        }
        good = [
            (frame, self.debtors.owed(speaker, frame.origin))
            for index, frame in enumerate(said.frames)
            if index not in faults
        ]
        appended = await self.journal.append(
            Submission(
                pod=speaker.pod,
                run=said.run,
                since=said.since,
                goodbye=said.goodbye,
                frames=good,
                journal=said.journal,
            )
        )
        answer = BlocksAnswer(
            journal=said.journal,  # where it was stored, even if another journal has begun since
            frames=_merged(said.frames, faults, appended),
            delivered=tuple(appended.delivered),
            until=appended.until,
            next_ms=self.pace.next_ms(self.clock()),
            leaving=self.leaving,
        )
        self.metrics.note(said.frames, answer.frames)
        if said.goodbye:
            self.lives.leave(speaker.pod.uid, said.run)
        kill_point("intake.before_reply")
        return _json(answer)

    async def _busy(self, speaker: Speaker, said: BlocksRequest, why: str, retry_after_seconds: float) -> web.Response:
        """503: nothing was stored; what was delivered is told all the same."""
        delivered, until = await self.journal.moved(speaker.pod.uid, said.since)
        is_same = (
            self.journal.journal_id == said.journal
        )  # another may have begun: what it says is not for this collector
        answer = BlocksAnswer(
            journal=said.journal,
            delivered=tuple(delivered) if is_same else (),
            until=until if is_same else said.since,
            next_ms=self.pace.next_ms(self.clock()),
            leaving=self.leaving,
            error=why,
        )
        return _json(answer, Code.UNAVAILABLE, retry_after_seconds)

    async def _marks(self, request: web.Request) -> web.Response:
        uid = request.query.get("pod", "")
        if not uid:
            return self._error(Code.UNREADABLE, "pod: is missing. Ask /v1/marks?pod=UID&run=RUN")
        run = request.query.get("run", "")
        if run and self.lives.take_over(uid, run):
            await self.journal.settle(())  # whatever the life before had handed in is in the rows that are told now
        return _json(await self._rows_of(uid))

    async def _rows_of(self, uid: str) -> MarksAnswer:
        rows = await self.journal.marks(uid)
        return msgspec.structs.replace(rows, next_ms=self.pace.next_ms(self.clock()), leaving=self.leaving)

    async def _snapshots(self, request: web.Request) -> web.Response:
        async with self.bodies.read(request) as body:
            said = decode_request(body, SnapshotRequest)
        speaker = self.debtors.speaker(said.pod)
        pod, owed = speaker.pod, self.debtors.owed_metrics(speaker)
        journal_id = self.journal.journal_id
        if said.journal != journal_id:
            return _json(SnapshotAnswer(journal=journal_id, code=Code.OTHER_JOURNAL), Code.OTHER_JOURNAL)
        if fault := fault_of_snapshot(said):
            return _json(SnapshotAnswer(journal=journal_id, code=Code.UNREADABLE, error=fault), Code.UNREADABLE)
        try:
            if self.leaving and owed:
                raise RetryableError("draining: takes no new bytes", _LEAVING_RETRY_SECONDS)  # noqa: TRY301 - answered like a full journal
            newest, _ = await self.journal.snapshot(pod, said.run, said.sequence, custody_of(said, body, owed))
        except RetryableError as error:
            busy = SnapshotAnswer(journal=journal_id, code=Code.UNAVAILABLE, error=str(error))
            return _json(busy, Code.UNAVAILABLE, error.retry_after_seconds)
        if self.page is not None and newest == said.sequence:
            # A repeated newest snapshot is shown too: this process may be younger than its journal.
            self.page.take(pod, said, self.clock())
        return _json(SnapshotAnswer(journal=journal_id, code=Code.STORED, sequence=newest))

    def _error(self, status: int, error: str, retry_after_seconds: float = 0) -> web.Response:
        answer = BlocksAnswer(journal=self.journal.journal_id, error=error, leaving=self.leaving)
        return _json(answer, status, retry_after_seconds)


def _merged(
    frames: tuple[Frame, ...], faults: dict[int, tuple[Code, str]], appended: Appended
) -> tuple[FrameAnswer, ...]:
    """One answer per frame, in order: the journal's, or what was found at the door."""
    if not faults:
        return tuple(appended.frames)
    stored = iter(appended.frames)
    return tuple(
        FrameAnswer(stream=frame.stream[:64], code=faults[index][0], epoch=frame.epoch, error=faults[index][1])
        if index in faults
        else next(stored)
        for index, frame in enumerate(frames)
    )


def _json(answer: msgspec.Struct, status: int = 200, retry_after_seconds: float = 0) -> web.Response:
    headers = {"Retry-After": str(math.ceil(retry_after_seconds))} if retry_after_seconds > 0 else None
    return web.Response(body=encode_answer(answer), status=int(status), content_type=ANSWER_TYPE, headers=headers)
