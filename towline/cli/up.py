"""`towline up`: the main job on this machine: an example app (or your own files), one collector, one aggregator.

Room: the front door. It starts the same programs that a cluster runs, and reads of them what anybody can read.
"""

import argparse
import glob
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from towline.cli.running import Running, free_port

STARTED_WITHIN_SECONDS = 30.0
TICK_SECONDS = 1.0

COLLECTOR_YAML = """\
aggregator: {{url: "http://127.0.0.1:{aggregator_port}"}}
state_dir: {state}
logs:
{logs}
metrics:
  interval_seconds: 5
  dogstatsd: {{listen: "127.0.0.1:{dogstatsd_port}"}}
  scrape: {scrape}
http: {{listen: "127.0.0.1:{collector_port}"}}
"""
AGGREGATOR_YAML = """\
http: {{listen: "127.0.0.1:{aggregator_port}"}}
journal: {{path: {journal}, max_bytes: 1GiB}}
auth: {{mode: none}}
sinks:
  file: {{type: file, path: {delivered}}}
  prom: {{type: prometheus}}
routes: [{{to: [file]}}]
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("up", help="run the main job here: example app, collector, aggregator")
    parser.add_argument(
        "--logs", metavar="PATTERN", help="tail these files instead of the example app's, e.g. '/var/log/nginx/*.log'"
    )
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="FOLDER",
        help="keep everything here (default: a new folder in the temporary directory)",
    )
    parser.add_argument("--seconds", type=float, metavar="N", help="leave by itself after N seconds")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Start, show, and on Ctrl-C drain and say what was delivered. 0 if everything that was written was delivered."""
    folder = (args.dir or Path(tempfile.mkdtemp(prefix="towline-up-"))).resolve()
    reserved: list[socket.socket] = []
    running = Running(
        folder,
        free_port(8080, reserved),
        free_port(2020, reserved),
        free_port(8125, reserved, socket.SOCK_DGRAM),
        free_port(9102, reserved),
        reserved,
    )
    stopped = _watch_signals()
    try:
        _write_configuration(running, args.logs)
        _start(running, example=args.logs is None)
        _say_where(running, args.logs)
        _say_if_nothing_matches(args.logs)
        _show(running, stopped, args.seconds)
        return _leave(running)
    finally:
        running.close()


def _watch_signals() -> Callable[[], bool]:
    caught: list[int] = []
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, lambda number, _frame: caught.append(number))
    return lambda: bool(caught)


def _write_configuration(running: Running, pattern: str | None) -> None:
    folder = running.folder
    try:
        for part in ("app-logs", "state", "journal", "delivered"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(
            f"towline up: --dir: {folder} cannot be used ({error.strerror}). Name a folder that can be written"
        ) from error
    if pattern is not None:
        logs = f"  - {{path: {json.dumps(os.path.abspath(pattern))}}}"  # noqa: PTH100 - a pattern, not a path
    else:
        logs = (
            f"  - {{path: {_quoted(folder / 'app-logs/orders.log')}, container: app, source: app, service: orders}}\n"
            f"  - {{path: {_quoted(folder / 'app-logs/access.log')}, container: web, source: nginx, service: web}}"
        )
    words = {
        "state": _quoted(folder / "state"),
        "journal": _quoted(folder / "journal/journal.db"),
        "delivered": _quoted(folder / "delivered/{namespace}/{pod}.jsonl"),
        "logs": logs,
        "aggregator_port": running.aggregator_port,
        "collector_port": running.collector_port,
        "dogstatsd_port": running.dogstatsd_port,
        "scrape": f"[{{url: http://127.0.0.1:{running.app_port}/metrics, job: shop}}]" if pattern is None else "[]",
    }
    (folder / "collector.yaml").write_text(COLLECTOR_YAML.format(**words))
    (folder / "aggregator.yaml").write_text(AGGREGATOR_YAML.format(**words))


def _quoted(path: Path) -> str:
    """A path as YAML takes it, whatever letters are in it."""
    return json.dumps(str(path))


def _start(running: Running, *, example: bool) -> None:
    folder = running.folder
    if example:
        ports = ["--metrics-port", str(running.app_port), "--dogstatsd-port", str(running.dogstatsd_port)]
        app = ["towline.cli.example_app", "--dir", str(folder / "app-logs"), "--parent", str(os.getpid()), *ports]
        running.start("app", *app)
    running.start("collector", "collector", "--config", str(folder / "collector.yaml"))
    running.start("aggregator", "aggregator", "--config", str(folder / "aggregator.yaml"))
    deadline = time.monotonic() + STARTED_WITHIN_SECONDS
    while True:
        for name, process in running.processes.items():
            if process.poll() is not None:
                _give_up(running, f"{name} ended with exit code {process.returncode}", name)
        try:
            running.status()
        except (OSError, ValueError):
            if time.monotonic() > deadline:
                _give_up(running, f"the aggregator did not answer within {STARTED_WITHIN_SECONDS:.0f} s", "aggregator")
            time.sleep(0.1)
        else:
            return


def _start_again(running: Running, name: str, exit_code: int) -> None:
    """What was killed goes on where it stood, as a kubelet would have it; what ended by itself is an error."""
    if exit_code >= 0:
        _give_up(running, f"{name} ended with exit code {exit_code}", name)
    print(f"\n{name} was killed ({signal.Signals(-exit_code).name}): started again", flush=True)
    running.start(name, *running.commands[name])


def _give_up(running: Running, problem: str, name: str) -> None:
    log = running.folder / f"{name}.log"
    sys.stderr.write(f"towline up: {problem}. Its log is {log}; the last of it:\n")
    sys.stderr.write("".join(log.read_text(errors="replace").splitlines(keepends=True)[-15:]))
    raise SystemExit(1)


def _say_where(running: Running, pattern: str | None) -> None:
    at = f"http://127.0.0.1:{running.aggregator_port}"
    print(
        f"""\
Towline is up: {"an example app" if pattern is None else pattern} -> collector -> aggregator -> file and Prometheus
  delivered lines   {running.folder}/delivered/local/*.jsonl
  metrics           {at}/metrics   (collector's own: http://127.0.0.1:{running.collector_port}/metrics)
  your own numbers  DogStatsD on 127.0.0.1:{running.dogstatsd_port}/udp: echo -n 'jobs.done:1|c' >/dev/udp/127.0.0.1/{running.dogstatsd_port}
  status            {at}/status
  configuration     {running.folder}/collector.yaml and aggregator.yaml, logs beside them
Ctrl-C drains and says what was delivered.""",
        flush=True,
    )


def _say_if_nothing_matches(pattern: str | None) -> None:
    """A pattern without files is waited for, which looks like a product that does nothing."""
    if pattern is not None and not any(os.path.isfile(found) for found in glob.glob(pattern, recursive=True)):  # noqa: PTH113, PTH207 - a pattern, not a path
        print(f"no file matches {pattern} yet: waiting for one. A folder's files are named by FOLDER/*.log", flush=True)


def _show(running: Running, stopped: Callable[[], bool], seconds: float | None) -> None:
    """The live line, redrawn each second on a terminal, printed every five elsewhere."""
    live = sys.stdout.isatty()
    started, turn = time.monotonic(), 0
    before = 0.0
    while not stopped() and (seconds is None or time.monotonic() - started < seconds):
        time.sleep(TICK_SECONDS)
        for name, process in list(running.processes.items()):
            if process.poll() is not None:
                _start_again(running, name, process.returncode)
        try:
            flow = _flow(running.status())
        except (OSError, ValueError):
            continue
        rate, before, turn = (flow["lines"] - before) / TICK_SECONDS, flow["lines"], turn + 1
        line = (
            f"{flow['lines']:>9,} lines  {flow['bytes'] / 1e6:8.2f} MB delivered  {rate:7,.0f} lines/s  "
            f"lag {flow['lag_seconds']:5.2f} s  undelivered {flow['owed_bytes']:,} B"
        )
        if live:
            print(f"\r\x1b[K{line}", end="", flush=True)
        elif turn % 5 == 1:
            print(line, flush=True)
    print(flush=True)


def _flow(status: dict[str, Any]) -> dict[str, float]:
    sink = status["sinks"]["file"]
    return {
        "lines": sink["delivered_lines_total"],
        "bytes": sink["delivered_bytes_total"],
        "lag_seconds": sink["oldest_owed_seconds"] or 0.0,
        "owed_bytes": sink["owed_bytes"],
    }


def _leave(running: Running) -> int:
    """End the app, then the collector, then the aggregator: each when what feeds it has ended."""
    print("draining ...", flush=True)
    if "app" in running.processes:
        running.end("app")
    left = running.end("collector")
    flow = _flow(running.status())
    ended = running.end("aggregator")
    print(f"delivered {flow['lines']:,} lines, {flow['bytes'] / 1e6:.2f} MB; undelivered {flow['owed_bytes']:,.0f} B")
    print(f"everything is in {running.folder}")
    return 0 if (left, ended, flow["owed_bytes"]) == (0, 0, 0) else 1
