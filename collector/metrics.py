"""The collector's own metrics, as plain numbers until somebody scrapes them.

Room: collector shell. prometheus_client is imported by the first scrape: it costs 5 MB, which a pod that nobody scrapes need not pay.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reading:
    """One family at this moment: values by the value of its one label ("" where it has none). Counters are named without `_total`."""

    name: str
    help: str
    values: Mapping[str, float]
    label: str = ""
    counter: bool = True


class OwnMetrics:
    """Renders readings in Prometheus' text format."""

    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read
        self._registry: CollectorRegistry | None = None

    def page(self) -> bytes:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - see above
        from prometheus_client.exposition import generate_latest  # noqa: PLC0415

        if self._registry is None:
            self._registry = CollectorRegistry()
            self._registry.register(self)
        return generate_latest(self._registry)

    def collect(self) -> Iterable["Metric"]:
        """What prometheus_client asks a collector for."""
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - see above

        for reading in self._read():
            kind = CounterMetricFamily if reading.counter else GaugeMetricFamily
            family = kind(reading.name, reading.help, labels=[reading.label] if reading.label else [])
            for value, number in reading.values.items():
                family.add_metric([value] if reading.label else [], number)
            yield family

    def describe(self) -> Iterable["Metric"]:
        """Nothing is known before it is read: registering must not read."""
        return ()
