"""The remote write sink: makes series of snapshots, sends them, and says what the answer means.

Room: aggregator sinks. Never enters: retries, order, custody (the forwarder's). The write-ahead log is the journal.
"""

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from aggregator.core.series import Opened
from aggregator.metric_sink import Limits, Made, MetricsOnly, Moment, Terms
from aggregator.sink import Surroundings
from aggregator.sinks.remote_write.catalogue import Catalogue
from aggregator.sinks.remote_write.config import RemoteWriteConfig
from aggregator.sinks.remote_write.making import SILENCED, Making
from aggregator.sinks.remote_write.receiver import (
    Address,
    Body,
    Credentials,
    Receiver,
    RefusedError,
    Signed,
    Stated,
)
from towline.plumbing.errors import ConfigError, RejectedError, TowlineError
from towline.plumbing.place import Place
from towline.plumbing.secret import read_secret
from towline.wire.identity import Pod

# A megabyte uncompressed is what Amazon Managed Prometheus takes; so many samples are sent at a time by Prometheus itself.
_LIMITS = Limits(max_points=2_000, max_bytes=950_000, overhead_bytes=0)


class RemoteWriteSink:
    """Pods are spread over lanes by their names, so that each series is always in the same one and stays in order.

    Refused, as the receiver says: `duplicate`, `out_of_order`, `too_old`, `too_new`, `limit`. Where it stores the rest of a request and does
    not say what it refused, all of it is counted.
    """

    def __init__(
        self,
        config: RemoteWriteConfig,
        surroundings: Surroundings,
        credentials: Credentials,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options = surroundings.options
        self.terms = Terms(options.share, options.when_full, of_lines="logs" in config.sources)
        self.max_age_seconds = config.max_age_seconds
        self.silent_seconds = config.stale_after_seconds
        self._lanes = config.lanes
        self._hashes = credentials.hashes
        self._receiver = Receiver(
            surroundings.session, Address(config.url, config.headers, config.timeout_seconds), credentials
        )
        self._making = Making({**config.external_labels, "job": config.job}, config.max_age_seconds)
        self._sources = frozenset(config.sources)
        self._catalogue = Catalogue(config.metadata_seconds)
        self._clock = clock

    @classmethod
    def build(cls, config: RemoteWriteConfig, surroundings: Surroundings) -> MetricsOnly:
        """Raises ConfigError where the address, a region or a secret is missing, or a secret cannot be used."""
        place = Place(surroundings.file, f"sinks.{surroundings.name}")
        if not config.url:
            where = place.child("url")
            raise ConfigError(
                where.says("is missing. Write the receiver's, such as http://prometheus:9090/api/v1/write")
            )
        return MetricsOnly(cls(config, surroundings, _credentials(config, place)))

    def limits(self, route: str) -> Limits:  # noqa: ARG002 - the protocol's signature
        return _LIMITS

    def lane(self, pod: Pod) -> str:
        name = f"{pod.namespace}/{pod.name}"
        digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()
        return f"series-{int.from_bytes(digest, 'big') % self._lanes}"

    def make(self, opened: Opened, state: str | None, moment: Moment) -> Made:
        wanted = tuple([family for family in opened.families if family.source in self._sources])
        if len(wanted) < len(opened.families):
            opened = replace(opened, families=wanted)
        self._catalogue.note(wanted)
        return self._making.make(opened, state, moment)

    def end(self, pod_uid: str, state: str, now_unix_ns: int) -> Made:
        return self._making.end(pod_uid, state, now_unix_ns)

    def pack(self, route: str, fragments: Sequence[bytes]) -> Body:  # noqa: ARG002 - the protocol's signature
        return Body.of(b"".join(fragments), len(fragments), hashed=self._hashes)

    async def send(self, route: str, payload: Body) -> Counter[str]:
        """One request; now and then another one with what the metrics mean, whose fate nothing depends on."""
        try:
            await self._receiver.post(payload)
        except RefusedError as error:
            if payload.parts > 1 and error.halving_helps:
                raise RejectedError(str(error)) from error
            # Markers that come too late are no loss: the series go on elsewhere.
            return Counter() if route == SILENCED else Counter({error.reason: payload.parts})
        for message in self._catalogue.due(self._clock()):
            with contextlib.suppress(TowlineError):
                await self._receiver.post(Body.of(message, 0, hashed=self._hashes))
        return Counter()

    async def healthcheck(self) -> None:
        """A request without series: a receiver takes it, or says what is wrong with address and credentials."""
        with contextlib.suppress(RejectedError):  # it was read, and disliked for being empty
            await self._receiver.post(Body.of(b"", 0, hashed=self._hashes))

    async def close(self) -> None:
        """Nothing to let go of: the session is the service's."""


def _credentials(config: RemoteWriteConfig, place: Place) -> Credentials:
    if config.sigv4 is not None:
        from aggregator.sinks.aws import BotoSigner, CredentialSource, Scope, region_of  # noqa: PLC0415 - botocore: 15 MB

        region = region_of(config.sigv4.region, place.child("sigv4").child("region"))
        return Signed(BotoSigner(CredentialSource(region), Scope(region, config.sigv4.service)))
    if config.basic_auth is not None:
        where = place.child("basic_auth").child("password_file")
        return Stated(read_secret(where, config.basic_auth.password_file), config.basic_auth.username)
    if config.bearer_token_file:
        return Stated(read_secret(place.child("bearer_token_file"), config.bearer_token_file))
    return Stated()
