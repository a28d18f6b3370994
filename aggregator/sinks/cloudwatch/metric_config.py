"""Options of `metrics:` in `type: cloudwatch`.

Room: aggregator sinks, pure. Never enters: the network.
"""

import re
from typing import Annotated, Literal

import msgspec

from aggregator.core.vendor_names import INSIGHTS_DIMENSIONS, INSIGHTS_LOG_GROUP, INSIGHTS_NAMESPACE
from aggregator.metric_sink import DEFAULT_SHARE
from aggregator.sinks.cloudwatch.names import check_names
from towline.plumbing.sizes import share_bytes

DEFAULT = "default"  # among `include`: the metrics that Container Insights itself makes
OWN_LABELS = "*"  # in a set of `app_dimensions`: every label of the series
FIELDS = ("ClusterName", "Namespace", "PodName", "FullPodName", "NodeName", "LaunchType")
MAX_DIMENSIONS = 30

_NAMESPACE = re.compile(r"[A-Za-z0-9._/#: -]{1,255}")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

PositiveCount = Annotated[int, msgspec.Meta(gt=0)]
DimensionSets = tuple[tuple[str, ...], ...]


class CloudWatchMetricsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which metrics go to CloudWatch. Each name, with each combination of dimensions, is billed there as a custom metric.

    `include`: names, or patterns (`*`, `?`) of names, of Container Insights' metrics and of every other series; `default` stands for the
    eight that Container Insights makes on Fargate. `exclude`: what does not go, whatever includes it.
    `dimensions`: of Container Insights' metrics; `app_dimensions`: of all others, where a label's name and `*` (all labels) may stand too.
    Each set makes a metric of its own. `namespace`: of all but Container Insights' metrics.
    `max_series_per_pod`: further ones of a snapshot are dropped and counted; Container Insights' are not among them.
    `log_group`, `log_stream`: where the log events go that CloudWatch reads the metrics from.
    """

    include: tuple[str, ...] = (DEFAULT,)
    exclude: tuple[str, ...] = ()
    dimensions: DimensionSets = INSIGHTS_DIMENSIONS
    app_dimensions: DimensionSets = (("ClusterName", "Namespace", "PodName", OWN_LABELS),)
    namespace: str = "Towline"
    max_series_per_pod: PositiveCount = 1_000
    log_group: str = INSIGHTS_LOG_GROUP
    log_stream: str = "{workload}/{replica}"
    share: float | str = DEFAULT_SHARE
    when_full: Literal["hold", "shed"] = "shed"

    def __post_init__(self) -> None:
        if not all((*self.include, *self.exclude)):
            key = "exclude" if all(self.include) else "include"
            raise ValueError(f"{key}: holds a name that is empty. Write a name, or remove it")
        if not self.include:
            raise ValueError("include: names nothing. Name a metric, write default, or remove metrics altogether")
        _check_sets("dimensions", self.dimensions)
        _check_sets("app_dimensions", self.app_dimensions)
        if not _NAMESPACE.fullmatch(self.namespace) or self.namespace.startswith((":", "AWS/")):
            raise ValueError(
                "namespace: is none that CloudWatch takes. Use up to 255 letters, digits and . - _ / #, not AWS/ in front"
            )
        if self.namespace == INSIGHTS_NAMESPACE:
            raise ValueError(f"namespace: {INSIGHTS_NAMESPACE} is for Container Insights' own metrics. Use another")
        check_names(self.log_group, self.log_stream)
        try:
            share_bytes(self.share, 1 << 62)
        except ValueError as error:
            raise ValueError(f"share: {error}") from None


def _check_sets(key: str, sets: DimensionSets) -> None:
    if not sets:
        raise ValueError(f"{key}: has no set. Write [[]] for metrics without dimensions, or remove it")
    for names in sets:
        if len(names) > MAX_DIMENSIONS or len(set(names)) < len(names):
            raise ValueError(f"{key}: has a set with a name twice, or with more than {MAX_DIMENSIONS}. Shorten it")
        for name in names:
            allowed = name in FIELDS or (
                key == "app_dimensions" and (name == OWN_LABELS or _LABEL.fullmatch(name) is not None)
            )
            if not allowed:
                more = ", the name of a label, or *" if key == "app_dimensions" else ""
                raise ValueError(f"{key}: there is no {name!r}. Use: {', '.join(FIELDS)}{more}")
