"""The options of an endpoint that is scraped.

Room: collector source. Apart from prometheus_scrape.py, so that whoever only reads a configuration loads no client.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from collector.core.targets import LOCALHOST, is_local
from towline.plumbing.address import check_url
from towline.plumbing.sizes import PositiveSeconds, PositiveSize


class ScrapeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An endpoint of this pod that speaks Prometheus' text format or OpenMetrics.

    url: `http://127.0.0.1:port/path`; only localhost, which the containers of a pod share.
    job: the `job` label of its series; "" takes the workload's name.
    labels: added to each of its series.
    timeout_seconds: for its whole answer.
    max_bytes: a longer answer is refused as a whole.
    max_series: an answer with more lines than this is refused as a whole.
    """

    url: str
    job: str = ""
    labels: Mapping[str, str] = {}
    timeout_seconds: PositiveSeconds = 5
    max_bytes: PositiveSize = 4 << 20
    max_series: Annotated[int, msgspec.Meta(gt=0)] = 10_000

    def __post_init__(self) -> None:
        try:
            check_url(self.url)
        except ValueError as error:
            raise ValueError(f"url: {error}") from None
        if not is_local(self.url):
            raise ValueError(f"url: {self.url!r} is not this pod's own. Write http://{LOCALHOST}:port/path")
