"""Options of `metrics:` in `type: datadog`.

Room: aggregator sinks. Never enters: the network.
"""

from typing import Annotated, Literal

import msgspec

from aggregator.metric_sink import DEFAULT_SHARE
from towline.plumbing.sizes import DURATION_UNIT

MAX_AGE_SECONDS = 3600.0  # Datadog drops older points behind a 2xx

Told = Literal["pod", "scrape", "dogstatsd", "logs"]
MaxAgeSeconds = Annotated[float, msgspec.Meta(gt=0, le=MAX_AGE_SECONDS, extra=DURATION_UNIT)]


class DatadogMetricsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which metrics go to Datadog, and how. Every metric that goes is billed there, most of them as custom metrics.

    `send`: none switches all of it off. `sources`: `pod` (what the pod measures of itself), `scrape` (its Prometheus endpoints), `dogstatsd`
    (events and service checks too), `logs` (metrics made from lines).
    `include`, `exclude`: patterns (`*`, `?`) of names as they are at Datadog; what matches one of `exclude` does not go, and where there is an
    `include`, only what matches one of it does. `tags`: given to everything.
    `histograms`: what a Prometheus histogram becomes: a distribution, or a count for each bucket. `.count` and `.sum` go either way.
    `counter_names`: `exposed` keeps a Prometheus counter's name; `openmetrics` names it as the Agent's OpenMetrics check does (`.count` for `_total`).
    `statsd_counts`: a DogStatsD counter as what was counted (`count`), or per second (`rate`), as the Agent sends it: for metrics that are there already.
    `max_age_seconds`: gauges older than this are dropped; at most an hour.
    """

    send: Literal["all", "none"] = "all"
    sources: tuple[Told, ...] = ("pod", "scrape", "dogstatsd", "logs")
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    histograms: Literal["distributions", "buckets"] = "distributions"
    counter_names: Literal["exposed", "openmetrics"] = "exposed"
    statsd_counts: Literal["count", "rate"] = "count"
    share: float | str = DEFAULT_SHARE
    when_full: Literal["hold", "shed"] = "shed"
    max_age_seconds: MaxAgeSeconds = MAX_AGE_SECONDS
