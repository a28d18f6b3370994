"""The processes that a measurement puts around what it measures."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.measure import MB
from bench.serve import TlsDoor
from tests.e2e.deployment import Deployment
from tests.e2e.procs import Service, TookTooLongError, free_port

POLL_SECONDS = 0.2
SECONDS_FOR_A_MB = 0.5  # how long a slow machine may take for what is waited for


def null_aggregator(deployment: Deployment, tls: TlsDoor | None = None) -> Service:
    """A null aggregator at the deployment's aggregator address, and at a port for TLS where that is said."""
    arguments = ["-m", "bench.null_aggregator", "--port", str(deployment.aggregator_port)]
    arguments += ["--tls", *map(str, tls)] if tls else []
    return Service(arguments, deployment.folder / "null_aggregator.log", deployment.aggregator_url)


def null_intake(folder: Path, *, stamps: bool = False) -> Service:
    """A null Datadog intake on a port of its own."""
    port = free_port()
    arguments = ["-m", "bench.null_intake", "--port", str(port), *(["--stamps"] if stamps else [])]
    return Service(arguments, folder / "null_intake.log", f"http://127.0.0.1:{port}")


def datadog_aggregator(
    deployment: Deployment, intake_url: str, routes: Sequence[Mapping[str, Any]] = (), **changes: object
) -> Service:
    """A real aggregator that sends to the Datadog intake at `intake_url`, zstd: by these routes to `dd`, else everything unparsed."""
    key = deployment.folder / "api_key"
    key.write_text("0" * 32)
    sink = {"type": "datadog", "api_key_file": str(key), "logs_url": intake_url, "api_url": intake_url}
    return deployment.aggregator(sinks={"dd": sink}, routes=list(routes) or [{"to": ["dd"]}], **changes)


def wait_for_bytes(deployment: Deployment, size_bytes: int, *, delivered: bool) -> float:
    """Wait until the journal has stored (or delivered) so many bytes of the pod. Returns the seconds it took."""
    started = time.monotonic()
    limit_seconds = 60 + SECONDS_FOR_A_MB * size_bytes / MB
    reached = deployment.delivered_bytes if delivered else deployment.stored_bytes
    # Polled seldom: each look is work for the aggregator, which may be what is measured.
    while (now := reached()) < size_bytes:
        if time.monotonic() - started > limit_seconds:
            logs = "".join(path.read_text(errors="replace")[-2000:] for path in deployment.folder.glob("*.log"))
            raise TookTooLongError(f"{now} of {size_bytes} bytes after {limit_seconds:.0f} s; the logs end:\n{logs}")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - started
