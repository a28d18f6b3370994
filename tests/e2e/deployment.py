"""A scratch pod and its aggregator: their folders, ports and configurations, for end-to-end tests and the bench."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.procs import Service, fetch, free_port


class Deployment:
    """A scratch pod and aggregator in one folder: `logs/` (the emptyDir), `state/`, `journal/`, `out/`, and their two configurations.

    `identity` is the pod as the collector is told of it by its environment. Configurations are merged one level deep: a key given
    replaces a scalar or list of the default, and is merged into a mapping of it.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.logs, self.state, self.journal, self.out = (folder / name for name in ("logs", "state", "journal", "out"))
        for made in (self.logs, self.state, self.journal, self.out):
            made.mkdir(parents=True, exist_ok=True)
        self.identity = {
            "POD_NAME": "web-0",
            "POD_NAMESPACE": "shop",
            "POD_UID": "00000000-0000-4000-8000-000000000001",
            **(identity or {}),
        }
        self.collector_port, self.aggregator_port = free_port(), free_port()
        self.aggregator_url = f"http://127.0.0.1:{self.aggregator_port}"
        self.delivered = self.out / "delivered.jsonl"

    def collector_config(self, **changes: Any) -> Path:
        """Write collector.yaml: every `*.log` of `logs/` to the aggregator."""
        return self._write(
            "collector.yaml",
            {
                "aggregator": {"url": self.aggregator_url},
                "state_dir": str(self.state),
                "logs": [{"path": f"{self.logs}/*.log", "container": "web", "source": "nginx", "service": "web"}],
                "metrics": {"interval_seconds": 0},
                "http": {"listen": f"127.0.0.1:{self.collector_port}"},
            },
            changes,
        )

    def aggregator_config(self, **changes: Any) -> Path:
        """Write aggregator.yaml: no authentication, everything to one file sink, unless changed."""
        return self._write(
            "aggregator.yaml",
            {
                "http": {"listen": f"127.0.0.1:{self.aggregator_port}"},
                "journal": {"path": str(self.journal / "journal.db")},
                "auth": {"mode": "none"},
                "sinks": {"file": {"type": "file", "path": str(self.delivered)}},
                "routes": [{"to": ["file"]}],
            },
            changes,
        )

    def collector(self, **changes: Any) -> Service:
        """A collector, not yet started. Its log is `collector.log` in the folder."""
        config = self.collector_config(**changes)
        return self.service("collector", config, f"http://127.0.0.1:{self.collector_port}")

    def aggregator(self, **changes: Any) -> Service:
        """An aggregator, not yet started. Its log is `aggregator.log` in the folder."""
        return self.service("aggregator", self.aggregator_config(**changes), self.aggregator_url)

    def service(self, module: str, config: Path, url: str) -> Service:
        environment = self.identity if module == "collector" else {}
        return Service(["-m", module, "--config", str(config)], self.folder / f"{module}.log", url, environment)

    def marks(self) -> dict[str, Any]:
        """What the aggregator's journal holds of this pod (`GET /v1/marks`). Empty where nobody answers."""
        status, body = fetch(f"{self.aggregator_url}/v1/marks?pod={self.identity['POD_UID']}")
        return json.loads(body) if status == 200 else {}

    def stored_bytes(self) -> int:
        """The sum of the marks of all rows."""
        return sum(row.get("mark", 0) for row in self.marks().get("rows", []))

    def delivered_bytes(self) -> int:
        """The sum of what every row says is delivered."""
        return sum(row.get("delivered", 0) for row in self.marks().get("rows", []))

    def _write(self, name: str, values: dict[str, Any], changes: Mapping[str, Any]) -> Path:
        for key, change in changes.items():
            kept = values.get(key)
            is_merged = isinstance(kept, dict) and isinstance(change, Mapping) and key != "sinks"
            values[key] = {**kept, **change} if is_merged else change
        path = self.folder / name
        path.write_text(yaml.safe_dump(values, sort_keys=False))
        return path
