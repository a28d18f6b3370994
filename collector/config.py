"""The collector's options: names, types, defaults. config/base/collector.yaml shows them all.

Room: collector. Never enters: files but the configuration, what the options do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from collector.sources.dogstatsd_options import DogStatsDConfig
from collector.sources.scrape_options import ScrapeConfig
from towline.plumbing.address import check_url, parse_listen
from towline.plumbing.config_file import check_secret_files, load_config
from towline.plumbing.logs import Level
from towline.plumbing.place import Place, raise_if_any
from towline.plumbing.sizes import PositiveSeconds, PositiveSize, Seconds, Size
from towline.wire.identity import Origin


class AggregatorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where to ship to.

    url: `http://host:port` or `https://host:port` of the aggregator's Service.
    token_file: a token that proves who this pod is, read again when it changes; "" sends none.
    timeout_seconds: for one request, connection to answer.
    """

    url: str
    token_file: str = ""
    timeout_seconds: PositiveSeconds = 10

    def __post_init__(self) -> None:
        try:
            check_url(self.url)
        except ValueError as error:
            raise ValueError(f"url: {error}") from None


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Files to tail, and what their lines are to be called.

    path: absolute; `*`, `?` and `[...]` match within one folder, `/**/` matches folders of any depth.
    exclude: such patterns of files that are not read, nor what rotation makes of them; one without `/` is for names in any folder.
    container: the container that writes them; no downward API field says it.
    source: the technology that wrote the lines (`nginx`, `java`); sinks choose by it.
    service: the service they belong to; "" leaves it to the pod's labels.
    tags: `key:value` words that travel with the lines.
    encoding: lines are cut at this encoding's newline.
    limit_bytes: bytes these files may hold on the volume; 0 leaves it to the collector's own limit_bytes.
    reclaim: whether delivered ranges are given back to the file system; this version only knows "" (never).
    """

    path: str
    exclude: tuple[str, ...] = ()
    container: str = ""
    source: str = ""
    service: str = ""
    tags: tuple[str, ...] = ()
    encoding: Literal["utf-8", "utf-16le", "utf-16be"] = "utf-8"
    limit_bytes: Size = 0
    reclaim: str = ""

    def __post_init__(self) -> None:
        _check_pattern("path", self.path)
        for one in self.exclude:
            _check_pattern("exclude", one if "/" in one or not one else f"/{one}")
        if self.reclaim:
            raise ValueError('reclaim: is not in this version. Remove it, or write ""')

    def origin(self) -> Origin:
        """What their lines are called, but for the path of each file."""
        return Origin(
            path="",
            container=self.container,
            source=self.source,
            service=self.service,
            tags=self.tags,
            encoding=self.encoding,
        )


def _check_pattern(key: str, pattern: str) -> None:
    """Raises ValueError."""
    parts = pattern.split("/")
    if parts[0] or not parts[-1] or ".." in parts:
        raise ValueError(f"{key}: {pattern!r} does not name files. Write an absolute path such as /var/log/app/*.log")
    if any("**" in part and part != "**" for part in parts):
        raise ValueError(
            f"{key}: {pattern!r} mixes `**` with other letters. Write /**/ for folders of any depth, * within a name"
        )


class MetricsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the pod and its app say of themselves.

    interval_seconds: between two snapshots of CPU, memory, network, disk, processes and all below; 0 takes none.
    top_processes: this many processes by CPU and by memory get series of their own; 0 for none.
    annotations: whether the pod's prometheus.io/{scrape,port,path,scheme} annotations are followed.
    scrape: endpoints of the pod that are scraped whatever the annotations say.
    dogstatsd: where DogStatsD is listened for; without it, nowhere.
    """

    interval_seconds: Seconds = 15
    top_processes: Annotated[int, msgspec.Meta(ge=0)] = 0
    annotations: bool = True
    scrape: tuple[ScrapeConfig, ...] = ()
    dogstatsd: DogStatsDConfig | None = None

    def __post_init__(self) -> None:
        if not self.interval_seconds and (self.scrape or self.dogstatsd):
            raise ValueError(
                "interval_seconds: is 0, so nothing would be scraped or counted. Set it, or remove the rest"
            )
        names = [it.series_name for it in self.scrape]
        twice = next((it.url for it in self.scrape if names.count(it.series_name) > 1), None)
        if twice is not None:
            raise ValueError(
                f"scrape: {twice!r} and another have one port, job and labels: one would hide the other. Give one another job"
            )


class HttpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The collector's own /healthz, /readyz and /metrics.

    listen: `host:port`.
    """

    listen: str = "0.0.0.0:2020"

    def __post_init__(self) -> None:
        try:
            parse_listen(self.listen)
        except ValueError as error:
            raise ValueError(f"listen: {error}") from None


class DrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long leaving may take, after SIGTERM. Keep it below the pod's terminationGracePeriodSeconds.

    grace_seconds: for everything.
    delivered_seconds: within it, for what is stored to be delivered as well.
    """

    grace_seconds: Seconds = 25
    delivered_seconds: Seconds = 5

    def __post_init__(self) -> None:
        if self.delivered_seconds > self.grace_seconds:
            raise ValueError("delivered_seconds: is longer than grace_seconds, which includes it. Lower it")


class IdentityConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What no downward API field says of the pod.

    cluster: the cluster's name.
    region: the cloud region.
    account: the cloud account (in quotes: it is text).
    """

    cluster: str = ""
    region: str = ""
    account: str = ""


class CollectorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole of collector.yaml.

    state_dir: the checkpoint's folder, not on the volume that the app can write to. Losing it is harmless.
    logs: the files to tail.
    acknowledge: when bytes count as safe: `delivered` (every destination has them) or `stored` (the aggregator has them on disk).
    failover_seconds: without any HTTP answer for this long, another address of the aggregator's service is tried.
    limit_bytes: the log volume's budget (the emptyDir's sizeLimit, which statvfs does not show); 0 asks statvfs.
    flush_seconds: at most one request per this long; the first line after quiet goes at once.
    window_bytes: raw bytes gathered for one request.
    partial_line_seconds: a line without its end waits this long, then ships marked as partial.
    exit_code_on_loss: exit 3 where bytes are left that no journal holds. Off by default: as a plain container it would
        fail a Job whose app succeeded. Switch it on where the collector is a native sidecar.
    log_level: of the collector's own log, on stderr.
    podinfo_dir: where the downward API volume with `labels` and `annotations` is mounted.
    """

    aggregator: AggregatorConfig
    state_dir: str = "/var/lib/towline"
    logs: tuple[LogConfig, ...] = ()
    acknowledge: Literal["delivered", "stored"] = "delivered"
    failover_seconds: PositiveSeconds = 120
    limit_bytes: Size = 0
    metrics: MetricsConfig = MetricsConfig()
    http: HttpConfig = HttpConfig()
    flush_seconds: Seconds = 0.3
    window_bytes: PositiveSize = 4 << 20
    partial_line_seconds: PositiveSeconds = 3
    drain: DrainConfig = DrainConfig()
    exit_code_on_loss: bool = False
    log_level: Level = "info"
    identity: IdentityConfig = IdentityConfig()
    podinfo_dir: str = "/etc/podinfo"

    def __post_init__(self) -> None:
        if not self.state_dir.startswith("/"):
            raise ValueError(f"state_dir: {self.state_dir!r} is not absolute. Write a path that starts with /")
        paths = [log.path for log in self.logs]
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise ValueError(f"logs: the path {twice!r} stands there twice. Remove one of the two")
        if not self.logs and not self.metrics.interval_seconds:
            raise ValueError("logs: names no files, and metrics are off: nothing is left to observe. Add a path")


def load(path: Path, env: Mapping[str, str] | None = None) -> CollectorConfig:
    """Read collector.yaml. Raises ConfigError, which holds every problem, one a line."""
    config = load_config(path, CollectorConfig, env)
    raise_if_any(check_secret_files(config, Place(str(path))))
    return config
