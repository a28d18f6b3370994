"""The log_metrics sink: counts what rules match, and has the journal remember the totals with the lines that made them.

Room: aggregator sinks. Never enters: the page (it asks for `families`), other destinations (own_snapshots.py tells them), retries, a network.

One lane for all pods: totals are absolute, so what two lanes said of one series could be settled in either order.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from aggregator.core.log_metrics import Increments, LogRules
from aggregator.core.log_series import LogSeries, Standing
from aggregator.core.records import Batch
from aggregator.core.series import SeriesFamily
from aggregator.sink import Limits, Receipt, Surroundings
from aggregator.sinks.log_metrics.config import REPLICA, LogMetricsConfig
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place
from towline.wire.identity import Origin, Pod

_LIMITS = Limits(max_lines=100_000, max_bytes=4 << 20)
_LANE = "all"


class LogMetricsSink:
    """Never fails and refuses no line: a line that is of no use to a rule is counted, by reason, and delivered."""

    def __init__(
        self,
        name: str,
        config: LogMetricsConfig,
        clock: Callable[[], float] = time.monotonic,
        *,
        replica: str = "",
        run: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        rules = [rule.rule() for rule in config.rules]
        self._rules = LogRules(rules)
        self._series = LogSeries(name, rules, config.max_series, config.expire_seconds)
        self._clock, self._run = clock, run
        self.push_seconds = config.push_seconds
        self.aggregator = config.aggregator.replace(REPLICA, replica)

    @classmethod
    def build(cls, config: LogMetricsConfig, surroundings: Surroundings) -> "LogMetricsSink":
        """As the registry builds it. Raises ConfigError where there is nothing to count."""
        if not config.rules:
            place = Place(surroundings.file, f"sinks.{surroundings.name}.rules")
            raise ConfigError(place.says("holds no rule. Write at least one, or remove the sink"))
        return cls(surroundings.name, config, replica=surroundings.replica)

    @property
    def limits(self) -> Limits:
        return _LIMITS

    def lane(self, pod: Pod, origin: Origin) -> str:  # noqa: ARG002 - the protocol's question; here every stream has one answer
        return _LANE

    def key(self, pod: Pod, origin: Origin) -> str:  # noqa: ARG002 - as in lane
        return ""

    def encode(self, batch: Batch) -> Increments:
        return self._rules.increments(batch.slices)

    async def send(self, batch: Batch, payload: Increments) -> Receipt:  # noqa: ARG002 - all that counts is in the payload
        """Move the totals: nothing here can fail. What comes again was not settled, and is not counted again."""
        self._series.drop()
        return Receipt(memo=self._series.move(payload, self._clock(), self._run()), settled=self.settled)

    def settled(self) -> None:
        """What was sent last is settled, and may be shown."""
        self._series.settle()

    def families(self) -> Sequence[SeriesFamily]:
        """For the page: a family for each rule, of all pods; labels hold whose a series is. One that has not changed is the same object."""
        return self._series.families(self._clock())

    def tell(self) -> None:
        """Destinations are told of totals from now on. To be said before `recall`."""
        self._series.tells = True

    def owners(self) -> Sequence[str]:
        """Whose totals there are to be told of now."""
        self._series.sweep(self._clock())
        return self._series.owners()

    def standing(self, identity: str) -> Standing | None:
        """Where the series of one of them stand, as settled."""
        return self._series.standing(identity)

    def told(self, standing: Standing) -> None:
        """The journal has it for all who are to know."""
        self._series.told(standing)

    def unwritten(self) -> Mapping[str, str] | None:
        """What the journal is to forget or to know though no batch of lines comes; None while one is under way. `written` follows."""
        return self._series.unwritten()

    def written(self, memo: Mapping[str, str]) -> None:
        """It is in the journal."""
        self._series.written(memo)

    async def healthcheck(self) -> None:
        """There is nobody to ask."""

    async def recall(self, memo: Mapping[str, str]) -> None:
        """Go on from the totals that were settled."""
        self._series.recall(memo, self._clock(), self._run())

    async def close(self) -> None:
        """Nothing is open."""
