"""What a sink is: config, build, healthcheck, send. Nothing else: retry, batches, time-outs, metrics and logs belong to the forwarder.

Room: aggregator, above core. Never enters: a vendor.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import aiohttp
import msgspec

from aggregator.core.records import Batch
from towline.wire.identity import Origin, Pod

ConfigT = TypeVar("ConfigT", bound=msgspec.Struct)
SinkT_co = TypeVar("SinkT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line the destination refused for good: a value, not an error. `index` counts through `batch.lines()`.

    `keep`: True makes a dead letter of it; False only counts it (the destination took it and threw it away itself).
    """

    index: int
    reason: str  # from the sink's own closed list: it becomes a metric label
    keep: bool = True


@dataclass(frozen=True, slots=True)
class Receipt:
    """The destination answered for all of a batch. `memo` is written in the transaction that settles: the sink's own durable state.

    `truncated`: how many of the lines it took were cut to what it takes. They are delivered, and counted apart.
    `settled`: called once the journal has it: for what may be shown only then.
    """

    refusals: Sequence[Refusal] = ()
    memo: Mapping[str, str] = field(default_factory=dict)
    truncated: int = 0
    settled: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a batch may be: lines, and raw line bytes plus `line_overhead_bytes` for each (the sink's estimate of its own encoding)."""

    max_lines: int
    max_bytes: int
    line_overhead_bytes: int = 0


class Payload(Protocol):
    """What `encode` made of a batch: the forwarder hands it to `send` unread, as often as it takes."""


class Sink(Protocol):
    """A push destination of log lines."""

    @property
    def limits(self) -> Limits: ...

    def lane(self, pod: Pod, origin: Origin) -> str:
        """What fails and is ordered as one (Datadog: the pods of one hash; CloudWatch: a log group; file: a path). Pure, safe for the destination's charset."""

    def key(self, pod: Pod, origin: Origin) -> str:
        """Within a lane, what one request can carry together (CloudWatch: a log stream); "" where everything can. Pure."""

    def encode(self, batch: Batch) -> Any:
        """The request body. Pure and deterministic (a retry sends the same bytes); runs on a worker thread, so that the loop goes on."""

    async def send(self, batch: Batch, payload: Any) -> Receipt:
        """Return once the destination has answered for all of `batch`.

        Raises RetryableError (the same batch may pass later), TooLargeError (halve it), RejectedError (bisect) or
        UnauthorizedError (hold the lane).
        """

    async def healthcheck(self) -> None:
        """Prove address and credentials. Raises what `send` would raise: only a ConfigError stops the start, else the lane is marked."""

    async def recall(self, memo: Mapping[str, str]) -> None:
        """Take back the durable state that receipts wrote, once, before the first `send` (file: truncate to the length recorded)."""

    async def close(self) -> None:
        """Let go of files and connections."""


class SinkOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every push sink has beside its own options."""

    type: str
    share: float | str = 0.5  # of the journal: a fraction, or a size such as 512MiB
    when_full: Literal["hold", "shed"] = "hold"
    event_id: bool = False  # send each line's id as `evt_id`


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a sink may use while it lives: all are made by app.py."""

    name: str  # the sink's name in the configuration
    options: SinkOptions
    session: aiohttp.ClientSession
    replica: str  # this aggregator's own name (POD_NAME or host name)
    folder: Path  # configuration's folder, for relative paths
    file: str = "aggregator.yaml"  # the configuration's own name, for errors


@dataclass(frozen=True, slots=True)
class Spec(Generic[ConfigT, SinkT_co]):
    """One row of the registry: the type of a component's options, how it is built from them, and the options that all of its kind have.

    takes_lines: routes may lead to it; metrics follow no route. is_single: there is room for one in a configuration.
    """

    config: type[ConfigT]
    build: Callable[[ConfigT, Surroundings], SinkT_co]
    options: type[SinkOptions] = SinkOptions
    takes_lines: bool = True
    is_single: bool = False
