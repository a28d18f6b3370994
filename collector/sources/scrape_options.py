"""The options of an endpoint that is scraped.

Room: collector source. Apart from prometheus_scrape.py, so that whoever only reads a configuration loads no client.
"""

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from collector.core.targets import LOCALHOST, is_local
from towline.plumbing.address import check_url
from towline.plumbing.sizes import PositiveSeconds, PositiveSize

_IN_A_REQUEST = re.compile(r"[!-~]+")


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
        if _IN_A_REQUEST.fullmatch(self.url) is None:
            raise ValueError(
                "url: holds blanks or letters beyond ASCII, which no request can. Write them as %20 and so on"
            )
        if not is_local(self.url):
            raise ValueError(f"url: {self.url!r} is not this pod's own. Write http://{LOCALHOST}:port/path")

    @property
    def series_name(self) -> tuple[str, int, frozenset[tuple[str, str]]]:
        """What tells its series from those of another endpoint of the pod: the host is no part of `instance`."""
        parts = urlsplit(self.url)
        return self.job, parts.port or (443 if parts.scheme == "https" else 80), frozenset(self.labels.items())
