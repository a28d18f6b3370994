"""The protocol over HTTP: requests out, outcomes back. Which address, which token, how long to wait.

Room: collector shell. Never enters: what a frame holds, what an outcome means for a stream (collector/core/custody.py decides that).
"""

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import msgspec

from collector.client import Client, Method, NoAnswerError
from collector.connection import Answer
from collector.core.custody import Sent
from collector.core.peers import Peers
from towline.plumbing.retry import RetryPolicy
from towline.plumbing.secret import Secret
from towline.wire import codec
from towline.wire.block import WIRE_VERSION, BlocksAnswer, BlocksRequest, Code, MarksAnswer
from towline.wire.identity import Pod
from towline.wire.snapshot import SnapshotAnswer

IDENTITY_SECONDS = 1.0  # labels that change are in the blocks within this time: looking for them takes two stat calls

T = TypeVar("T")

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec raises on rubbish


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing was stored: try again after `delay_seconds`. `reason` is a word for logs and metrics, `answer` what counts all the same."""

    delay_seconds: float
    reason: str
    error: str = ""
    answer: BlocksAnswer | None = None


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks: the pod as it knows itself, the token that proves it, and the name of this life of the collector."""

    pod: Callable[[], Pod]
    token: Secret | None
    run: str


class Link:
    """One pod's line to its aggregator."""

    def __init__(self, client: Client, peers: Peers, speaker: Speaker, clock: Callable[[], float]) -> None:
        self._client, self.peers, self._clock = client, peers, clock
        self._pod, self._token, self._run = speaker.pod, speaker.token, speaker.run
        self._policy = RetryPolicy(base_seconds=0.2, max_seconds=10.0)
        self._failures = 0
        self._said: tuple[Pod | None, msgspec.Raw] = (None, msgspec.Raw())
        self._looked_at = float("-inf")
        self._asking_since: float | None = None
        self.draining = False

    async def blocks(self, sent: Sent, *, goodbye: bool = False) -> BlocksAnswer | MarksAnswer | Wait:
        """Send frames. A MarksAnswer means: another journal is there, nothing was stored (421)."""
        request = BlocksRequest(
            journal=sent.journal,
            pod=self._said[1] if self._clock() - self._looked_at < IDENTITY_SECONDS else self.identity(),
            run=self._run,
            frames=sent.frames,
            since=sent.since,
            goodbye=goodbye,
        )
        answer = await self._exchange("POST", "/v1/blocks", codec.encode_request(request))
        if isinstance(answer, Wait):
            return answer
        if answer.status == Code.STORED:
            return self._decoded(answer, BlocksAnswer)
        if answer.status == Code.OTHER_JOURNAL:
            return self._decoded(answer, MarksAnswer)
        return self._refused(answer)

    async def snapshot(self, body: bytes) -> SnapshotAnswer | Wait:
        """Send one encoded snapshot. Its answer is a SnapshotAnswer under every status that says something of a snapshot."""
        answer = await self._exchange("POST", "/v1/snapshots", body)
        if isinstance(answer, Wait):
            return answer
        if answer.status in (Code.UNREADABLE, Code.TOO_LARGE):
            return self._word_at_the_door(answer)
        said = answer.status in (Code.STORED, Code.REWIND, Code.OTHER_JOURNAL)
        return self._decoded(answer, SnapshotAnswer) if said else self._refused(answer)

    def _word_at_the_door(self, answer: Answer) -> SnapshotAnswer | Wait:
        """What is refused before it is known for a snapshot has no sequence in its answer; a proxy's 413 has no answer of ours at all."""
        try:
            codec.decode_answer(answer.body, SnapshotAnswer)
        except _UNREADABLE:
            refused = self._refused(answer)
            if refused.answer is None and answer.status != Code.TOO_LARGE:
                return refused
            journal = refused.answer.journal if refused.answer is not None else ""
            return SnapshotAnswer(journal=journal, code=answer.status, error=refused.error)
        return self._decoded(answer, SnapshotAnswer)

    async def marks(self) -> MarksAnswer | Wait:
        """Ask the peer we have for all rows of this pod; without one, ask every address, and stay with the one last heard from."""
        try:
            self.peers.resolved(await self._client.resolve())
        except NoAnswerError as error:
            if not self.peers.current:
                return self._silent(error)
        if not self.peers.current and len(self.peers.addresses) > 1:
            return await self._marks_of_the_last_heard_from()
        return self._answered_marks(await self._exchange("GET", self._marks_path()))

    async def _marks_of_the_last_heard_from(self) -> MarksAnswer | Wait:
        """Every address must answer, for `failover_seconds` (a drain has not the time): a silent one could be the one with custody."""
        self._asking_since = self._clock() if self._asking_since is None else self._asking_since
        patient = not self.draining and self._clock() - self._asking_since < self.peers.failover_seconds
        best: tuple[float, str, MarksAnswer] | None = None
        for address in self.peers.addresses:
            answer = await self._exchange("GET", self._marks_path(), address=address)
            marks = self._answered_marks(answer)
            if isinstance(marks, Wait):
                if patient:
                    return marks
                continue
            ago = float("inf") if marks.heard_seconds_ago is None else marks.heard_seconds_ago
            if best is None or ago < best[0]:
                best = (ago, address, marks)
        if best is None:
            return Wait(self._delay(0.0), "no_answer", "no address of the aggregator answers")
        self.peers.take(best[1])
        return best[2]

    def _answered_marks(self, answer: Answer | Wait) -> MarksAnswer | Wait:
        if isinstance(answer, Wait):
            return answer
        return self._decoded(answer, MarksAnswer) if answer.status == Code.STORED else self._refused(answer)

    def _marks_path(self) -> str:
        return f"/v1/marks?pod={quote(self._pod().uid, safe='')}&run={self._run}"

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    def identity(self) -> msgspec.Raw:
        """The pod's identity as it travels, encoded once as long as it does not change."""
        pod, self._looked_at = self._pod(), self._clock()
        if self._said[0] is not pod:
            self._said = (pod, msgspec.Raw(msgspec.msgpack.encode(pod)))
        return self._said[1]

    async def _exchange(self, method: Method, path: str, body: bytes = b"", address: str = "") -> Answer | Wait:
        """One HTTP exchange with the chosen peer, once more with a fresh token where the first was refused."""
        for may_refresh in (True, False):
            to = address or self.peers.choose(self._clock(), draining=self.draining)
            token = self._token.reveal() if self._token is not None else ""
            try:
                if not to:
                    self.peers.resolved(await self._client.resolve())
                    to = self.peers.choose(self._clock())
                answer = await self._client.request(to, method, path, self._headers(token, body), body)
            except NoAnswerError as error:
                return await self._look_again(error)
            refused = answer.status in (Code.UNAUTHORIZED, Code.FORBIDDEN) and self._token is not None
            if not (refused and may_refresh and self._token is not None and self._token.reveal() != token):
                break
        return answer

    async def _look_again(self, error: NoAnswerError) -> Wait:
        try:
            self.peers.resolved(await self._client.resolve())
        except NoAnswerError as unresolved:
            return self._silent(unresolved)
        return self._silent(error)

    @staticmethod
    def _headers(token: str, body: bytes) -> dict[str, str]:
        headers = {"towline-wire": str(WIRE_VERSION)}
        if body:
            headers["content-type"] = codec.REQUEST_TYPE
        if token:
            headers["authorization"] = f"Bearer {token}"
        return headers

    def _decoded(self, answer: Answer, kind: type[T]) -> T | Wait:
        try:
            decoded = codec.decode_answer(answer.body, kind)
        except _UNREADABLE as error:
            # Something answers HTTP there, but it is no aggregator: that is no word of the peer's.
            return self._silent(NoAnswerError(f"not an aggregator's answer: {error}"))
        self._failures = 0
        self.peers.heard(self._clock(), leaving=bool(getattr(decoded, "leaving", False)))
        return decoded

    def _refused(self, answer: Answer) -> Wait:
        said: BlocksAnswer | None = None
        with contextlib.suppress(*_UNREADABLE):  # a proxy's page has none: the status says enough
            said = codec.decode_answer(answer.body, BlocksAnswer)
        self.peers.heard(self._clock(), leaving=said is not None and said.leaving)
        return Wait(
            self._delay(answer.retry_after_seconds), f"status_{answer.status}", said.error if said else "", said
        )

    def _silent(self, error: NoAnswerError) -> Wait:
        self.peers.silent(self._clock())
        return Wait(self._delay(0.0), "no_answer", str(error))

    def _delay(self, retry_after_seconds: float) -> float:
        self._failures += 1
        jitter = random.random()  # noqa: S311 - spreads retries, guards nothing
        return self._policy.delay_seconds(self._failures, jitter, retry_after_seconds)
