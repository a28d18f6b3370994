"""Options of `type: cloudwatch`; those of its `metrics` stand in metric_config.py.

Room: aggregator sinks, pure. Never enters: the network.
"""

import re

import msgspec

from aggregator.sinks.cloudwatch.metric_config import CloudWatchMetricsConfig
from aggregator.sinks.cloudwatch.names import check_names
from towline.plumbing.address import check_url
from towline.plumbing.sizes import PositiveSeconds

RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096),
    *(1827, 2192, 2557, 2922, 3288, 3653),
)
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


class CloudWatchConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`region`: else the environment's AWS_REGION. Credentials: IRSA (web identity) or the environment, as the AWS SDKs read them.

    `create`: make log groups and streams that do not exist; `retention_days`: of the groups made here (0: kept for ever).
    `metrics`: also send metrics, in the embedded metric format; without it none go.
    """

    region: str = ""
    log_group: str = "/eks/{namespace}/{workload}"
    log_stream: str = "{workload}/{replica}"
    endpoint_url: str = ""
    create: bool = True
    retention_days: int = 0
    timeout_seconds: PositiveSeconds = 10.0
    metrics: CloudWatchMetricsConfig | None = None

    def __post_init__(self) -> None:
        if self.region and not _REGION.fullmatch(self.region):
            raise ValueError("region: is not the name of a region. Write it as in eu-west-1")
        if self.endpoint_url:
            try:
                check_url(self.endpoint_url)
            except ValueError as error:
                raise ValueError(f"endpoint_url: {error}") from None
        if self.retention_days and self.retention_days not in RETENTION_DAYS:
            raise ValueError(
                f"retention_days: {self.retention_days} is not allowed. Use one of: {_list(RETENTION_DAYS)}"
            )
        check_names(self.log_group, self.log_stream)


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
