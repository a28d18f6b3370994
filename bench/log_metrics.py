"""What metrics from logs cost: CPU of the rules for each MB of lines, of the totals for each series. In process, no journal, no network.

.venv/bin/python -m bench.log_metrics
"""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from aggregator.core.exposition_lines import block, lines_of
from aggregator.core.lines import Lines
from aggregator.core.log_metrics import Increment, Increments, LogRules, Rule, SeriesKey
from aggregator.core.log_series import LogSeries
from aggregator.core.records import Slice
from aggregator.sinks.log_metrics.config import LogMetricsConfig
from towline.plumbing.config_file import convert
from towline.plumbing.place import Place
from towline.wire.identity import Origin, Pod

POD, ORIGIN = Pod(namespace="shop", name="web-0", uid="u", workload="web"), Origin(path="/x", source="nginx")
SIZE_BYTES = 1_000_000
ROUNDS = 7
PODS, SERIES_EACH = 500, 200
DRAW = random.Random(1)

STATUS = {"name": "status_total", "type": "counter", "match": r'" (?P<code>\d{3}) ', "labels": {"code": "code"}}
SECONDS = {"name": "seconds", "type": "histogram", "match": r'" (?P<s>\d+\.\d+)$', "value": "s"}
LEVELS = {
    "name": "levels_total",
    "type": "counter",
    "json": True,
    "labels": {"level": "level", "status": "http.status"},
}
DURATION = {"name": "duration", "type": "histogram", "json": True, "value": "duration_ms", "scale": 0.001}
ERRORS = {"name": "errors_total", "type": "counter", "json": True, "field": "level", "match": "^error$"}
ACCESS_CASES = {
    "streams that no rule is for": [{**STATUS, "source": "other"}],
    "every line": [{"name": "lines_total", "type": "counter"}],
    "one status class": [{"name": "failed_total", "type": "counter", "match": r'" 5\d\d '}],
    "by status code": [STATUS],
    "duration": [SECONDS],
    "duration, without plain text": [{**SECONDS, "match": r"(?P<s>[\d.]+)$"}],
    "by status code, and duration": [STATUS, SECONDS],
}
JSON_CASES = {
    "JSON: one level": [{**ERRORS, "contains": '"error"'}],
    "JSON: by level and status": [LEVELS],
    "JSON: duration": [DURATION],
    "JSON: both": [LEVELS, DURATION],
}


def access_line() -> bytes:
    at, code, seconds = DRAW.randrange(60), DRAW.choice([200] * 20 + [404, 500, 302]), DRAW.random()
    return (
        f"10.0.{at}.7 - - [23/Nov/2026:01:{at:02d}:07 +0000] "
        f'"GET /api/v1/items/{DRAW.randrange(9999)} HTTP/1.1" {code} {DRAW.randrange(50_000)} '
        f'"https://shop.example/cart" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" {seconds:.3f}'
    ).encode()


def json_line() -> bytes:
    level, status = DRAW.choice(["info", "info", "warn", "error"]), DRAW.choice([200, 500])
    return (
        f'{{"time":"2026-11-23T01:50:07.123Z","level":"{level}","logger":"shop.cart",'
        f'"msg":"item added to the cart of a customer","duration_ms":{DRAW.randrange(900)},'
        f'"http":{{"method":"GET","status":{status},"path":"/api/v1/items/{DRAW.randrange(9999)}"}}}}'
    ).encode()


def block_of(line: Callable[[], bytes]) -> bytes:
    lines, size_bytes = [], 0
    while size_bytes < SIZE_BYTES:
        lines.append(line())
        size_bytes += len(lines[-1]) + 1
    return b"\n".join(lines) + b"\n"


def least_seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def measure_rules(cases: Mapping[str, Any], text: bytes) -> None:
    for name, rules in cases.items():
        config = convert({"rules": rules}, LogMetricsConfig, Place("bench"))
        readers = LogRules([rule.rule() for rule in config.rules])

        def read(readers: LogRules = readers) -> None:
            piece = Slice(
                block_id=1,
                stream="s",
                epoch=0,
                start=0,
                end=len(text),
                lines=Lines(text),
                pod=POD,
                origin=ORIGIN,
                read_unix_ns=0,
            )
            readers.increments([piece])

        print(f"{least_seconds(read) * 1e9 / len(text):6.1f} ms/MB  {name}")


def measure_series() -> None:
    rule = Rule(name="x_total", type="counter", labels={"code": "code"}, max_series=SERIES_EACH)
    made = Increments()
    for pod in range(PODS):
        identity = f'namespace="shop",pod="web-{pod}"'
        made.heard[identity] = POD
        for code in range(SERIES_EACH):
            made.series[SeriesKey("x_total", identity, f'code="{code}"')] = Increment("", 1, 1.0, [])
    series = LogSeries("bench", [rule], PODS * SERIES_EACH, 3600)
    steps = {
        "moved": lambda: series.move(made, 0.0, "r"),
        "settled": series.settle,
        "gathered": lambda: series.families(0.0),
        "rendered": lambda: block(line for one in series.families(0.0) for line in lines_of("", one.rows)),
    }
    for name, step in steps.items():
        print(f"{least_seconds(step, 1) * 1e3:6.0f} ms  {PODS * SERIES_EACH} series {name}")


def main() -> None:
    measure_rules(ACCESS_CASES, block_of(access_line))
    measure_rules(JSON_CASES, block_of(json_line))
    measure_series()


if __name__ == "__main__":
    main()
