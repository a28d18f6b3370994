"""What regular expressions and masks cost: CPU for each MB of lines. In process, no journal, no network.

.venv/bin/python -m bench.masks
"""

import random
from collections.abc import Callable, Sequence

from aggregator.core.masks import Masks, own_mask, ready_mask
from aggregator.core.regexes import compile_regex
from bench.log_metrics import least_seconds

DRAW = random.Random(1)
SIZE_BYTES = 1_000_000
NGINX = (
    r'^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)?" '
    r'(?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>[^\"]*)")?$'
)
FIVE = ("email", "credit_card", "ipv4", "jwt", "bearer")
ALL = (*FIVE, "ipv6", "aws_key")


def access_line(blanks: str = " ") -> str:
    at = DRAW.randrange(60)
    return (
        f"10.0.{at}.7 - - [23/Nov/2026:01:{at:02d}:07 +0000] "
        f'"GET /api/v1/items/{DRAW.randrange(9999)}{blanks}HTTP/1.1" 200 {DRAW.randrange(50_000)} '
        f'"https://shop.example/cart" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"'
    )


def text_line() -> str:
    return (
        f"2026-11-23T01:50:07.{DRAW.randrange(1000):03d}Z INFO shop.cart item {DRAW.randrange(9999)} added to the cart "
        f"of a customer in {DRAW.randrange(900)} ms, 3 more in stock, request 6f1c{DRAW.randrange(1 << 40):010x}"
    )


def secret_line() -> str:
    return (
        f"login of user{DRAW.randrange(999)}@example.com from 10.0.{DRAW.randrange(255)}.7 with card 4111 1111 1111 1111, "
        "authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N"
    )


def block_of(line: Callable[[], str]) -> list[str]:
    lines, size_bytes = [], 0
    while size_bytes < SIZE_BYTES:
        lines.append(line())
        size_bytes += len(lines[-1]) + 1
    return lines


def measure(name: str, work: Callable[[], object], lines: Sequence[str]) -> None:
    size_bytes = sum(map(len, lines)) + len(lines)
    print(f"{least_seconds(work) * 1e9 / size_bytes:6.1f} ms/MB  {name}")


def measure_regexes() -> None:
    lines, wide = block_of(access_line), block_of(lambda: access_line(" " * 5))
    nginx = compile_regex(NGINX)
    measure("nginx, groups", lambda: nginx.all_groups(lines), lines)
    measure("nginx, groups, by RE2 (runs of blanks)", lambda: nginx.all_groups(wide), wide)
    for pattern in ("items/55", r"\d+ms", r"GET|PUT.*x|DELETE.*z", "(?i)error"):
        regex = compile_regex(pattern)
        measure(f"search {pattern}", lambda regex=regex: [regex.search(line) for line in lines], lines)


def measure_masks() -> None:
    five, every = Masks([ready_mask(name) for name in FIVE]), Masks([ready_mask(name) for name in ALL])
    own = Masks([own_mask(r"password=\S+", "password=***")])
    for kind, lines in (
        ("nothing to mask", block_of(text_line)),
        ("access log, an address each line", block_of(access_line)),
        ("four secrets each line", block_of(secret_line)),
    ):
        measure(f"five masks, {kind}", lambda lines=lines: five.texts(lines), lines)
        measure(f"all seven, {kind}", lambda lines=lines: every.texts(lines), lines)
        for name in ALL:
            alone = Masks([ready_mask(name)])
            measure(f"    {name}", lambda lines=lines, alone=alone: alone.texts(lines), lines)
        measure("    own, password=\\S+", lambda lines=lines: own.texts(lines), lines)


if __name__ == "__main__":
    measure_regexes()
    measure_masks()
