"""Debian's receivers of remote write, each as a process in a folder of its own."""

import json
import urllib.parse

import pytest

from tests.e2e.procs import Service, fetch, free_port, wait_until


class Receiver:
    """A real one, in a folder of its own. `write_url` is where samples go, `query` what it then knows."""

    def __init__(self, folder):
        self.folder = folder / self.name
        self.folder.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.write_url = f"{self.url}/api/v1/write"
        self.service = Service([], self.folder / "service.log")
        self.service.arguments = self.arguments(f"127.0.0.1:{port}")

    def __enter__(self):
        self.service.start()
        wait_until(lambda: fetch(f"{self.url}{self.ready_path}")[0] == 200, 30, f"{self.name} to be ready")
        return self

    def __exit__(self, *_):
        self.service.kill()

    def flush(self):
        """Make what was written visible."""

    def query(self, expression, at_unix):
        """The instant vector: {name or labels: value}."""
        self.flush()
        asked = urllib.parse.urlencode({"query": expression, "time": f"{at_unix:.3f}", "nocache": "1"})
        status, body = fetch(f"{self.url}/api/v1/query?{asked}", 10)
        assert status == 200, body
        return [(one["metric"], float(one["value"][1])) for one in json.loads(body)["data"]["result"]]

    def values(self, expression, at_unix):
        return sorted(value for _, value in self.query(expression, at_unix))


class Prometheus(Receiver):
    """Debian's prometheus."""

    name, ready_path = "prometheus", "/-/ready"
    is_strict = True

    def arguments(self, listen):
        config = self.folder / "prometheus.yml"
        config.write_text("global: {scrape_interval: 1h}\n")
        return [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self.folder}/tsdb",
            f"--web.listen-address={listen}",
            "--web.enable-remote-write-receiver",
        ]


class VictoriaMetrics(Receiver):
    """Debian's victoria-metrics."""

    name, ready_path = "victoria-metrics", "/health"
    is_strict = False

    def arguments(self, listen):
        return [
            "victoria-metrics",
            f"-httpListenAddr={listen}",
            f"-storageDataPath={self.folder}/data",
            "-search.latencyOffset=0s",
            "-dedup.minScrapeInterval=1ms",  # a sample that is sent twice is kept once
            "-memory.allowedPercent=5",
        ]

    def scraping(self, port):
        """The same, scraping this aggregator."""
        config = self.folder / "scrape.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs: [{{job_name: towline, honor_labels: true, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
        )
        self.service.arguments.append(f"-promscrape.config={config}")
        return self

    def flush(self):
        assert fetch(f"{self.url}/internal/force_flush", 10)[0] == 200


RECEIVERS = [
    pytest.param(Prometheus, marks=pytest.mark.needs("prometheus"), id="prometheus"),
    pytest.param(VictoriaMetrics, marks=pytest.mark.needs("victoria-metrics"), id="victoria-metrics"),
]
