"""Options of `type: datadog`.

Room: aggregator sinks. Never enters: the network.
"""

import re
from typing import Annotated, Literal

import msgspec

from aggregator.sinks.datadog.metric_options import DatadogMetricsConfig
from towline.plumbing.address import check_url
from towline.plumbing.sizes import PositiveSeconds

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


class DatadogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The API key comes from `api_key_file` (read again when it changes), else from the environment's DD_API_KEY.

    `site`: datadoghq.com, datadoghq.eu, us3.datadoghq.com, ...; `logs_url` and `api_url` override what it means, for proxies.
    `compression`: gzip where something on the way does not know zstd (noticed by itself, too).
    `lanes`: requests under way at a time; pods are spread over them. One carries about 200 kB of lines for each answer it waits for.
    `metrics`: all that the pods measure, expose and count goes to Datadog as well, unless it says otherwise.
    """

    site: str = "datadoghq.com"
    api_key_file: str = ""
    logs_url: str = ""
    api_url: str = ""
    compression: Literal["zstd", "gzip", "identity"] = "zstd"
    lanes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    timeout_seconds: PositiveSeconds = 10.0
    metrics: DatadogMetricsConfig = DatadogMetricsConfig()

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.site):
            raise ValueError(
                "site: is not a host name. Write it as in datadoghq.com, without https:// and without a path"
            )
        for key, url in (("logs_url", self.logs_url), ("api_url", self.api_url)):
            if url:
                try:
                    check_url(url)
                except ValueError as error:
                    raise ValueError(f"{key}: {error}") from None
