"""Which zstd options the Datadog sink should use: what each costs, and how large its bodies are, against level 1 as it is.

`python -m bench.zstd_options [--runs 5]`. Every alternative compresses the same bodies in turn, round after round: a burst of the
machine's other tenants strikes all of them, and the median of the ratios within a round leaves it out.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from statistics import median
from typing import NamedTuple

from backports import zstd

from bench.aggregator_datadog import ENVELOPE, payload_of
from bench.load import MESSAGES, chunk, json_line, nginx_line
from bench.measure import MB, Options, Row, main, say

BODY_BYTES = 500_000  # about what the sink sends: 200 kB of lines in their attributes, up to Datadog's 5 MB
BODIES = 24  # of each kind
SEED = 1
PASSES = 2  # of each alternative in a round
P = zstd.CompressionParameter
LEVEL_1 = {P.compression_level: 1}
ALTERNATIVES: Mapping[str, Mapping[int, int]] = {
    "level 1": LEVEL_1,
    "window 18": LEVEL_1 | {P.window_log: 18},
    "hash 13": LEVEL_1 | {P.hash_log: 13},
    "window 18, hash 13": LEVEL_1 | {P.window_log: 18, P.hash_log: 13},
    "window 18, hash 12": LEVEL_1 | {P.window_log: 18, P.hash_log: 12},
    "the same again": LEVEL_1
    | {P.window_log: 19, P.hash_log: 14},  # what level 1 means for such bodies: shows the noise
    "level -1": {P.compression_level: -1},
}


class Cost(NamedTuple):
    """CPU seconds of one round, and the bytes that came out."""

    seconds: float
    size_bytes: int


def trace(choice: random.Random, moment: float) -> str:
    """A line of a stack trace, or the message above it: short, repetitive."""
    if choice.random() < 0.1:
        return f"{moment:.3f} ERROR {choice.choice(MESSAGES)} order={choice.getrandbits(40):010x}"
    return f"    at com.shop.{choice.choice(MESSAGES).replace(' ', '.')}.Handler{choice.randrange(40)}.call(Handler.java:{choice.randrange(900)})"


def lines_of(write: Callable[[random.Random, float], str]) -> bytes:
    """As many lines as make a body."""
    choice, moment, taken, size_bytes = random.Random(SEED), time.time(), [], 0
    while size_bytes < BODY_BYTES * BODIES:
        moment += choice.random() / 100
        taken.append(write(choice, moment))
        size_bytes += len(taken[-1]) + 1
    return ("\n".join(taken) + "\n").encode()


def bodies() -> Mapping[str, Sequence[bytes]]:
    """Bodies as the sink makes them, of four kinds of text; and of the usual mixture without the attributes around its lines."""
    mixed = chunk(BODY_BYTES * BODIES, seed=SEED)
    return {
        "nginx": in_bodies(payload_of(lines_of(nginx_line), ENVELOPE)),
        "JSON": in_bodies(payload_of(lines_of(json_line), ENVELOPE)),
        "stack traces": in_bodies(payload_of(lines_of(trace), ENVELOPE)),
        "nginx and JSON": in_bodies(payload_of(mixed, ENVELOPE)),
        "bare lines": in_bodies(payload_of(mixed, b"")),
    }


def in_bodies(text: bytes) -> list[bytes]:
    return [text[first : first + BODY_BYTES] for first in range(0, BODY_BYTES * BODIES, BODY_BYTES)]


def cost_of(context: zstd.ZstdCompressor, taken: Sequence[bytes]) -> Cost:
    """Compress every body, as the sink does: one context, lengths said beforehand."""
    size_bytes = 0
    started = time.process_time()
    for body in chain.from_iterable([taken] * PASSES):
        context.set_pledged_input_size(len(body))
        size_bytes += len(context.compress(body, zstd.ZstdCompressor.FLUSH_FRAME))
    return Cost(time.process_time() - started, size_bytes)


def rounds_of(taken: Sequence[bytes], runs: int) -> list[Mapping[str, Cost]]:
    """What each alternative cost in each round. The first, in which all pages are new, does not count. Every second goes backwards."""
    contexts = {name: zstd.ZstdCompressor(options=options) for name, options in ALTERNATIVES.items()}
    rounds = []
    for run in range(runs + 1):
        order = list(contexts) if run % 2 else list(reversed(contexts))
        rounds.append({name: cost_of(contexts[name], taken) for name in order})
    return rounds[1:]


def measure(options: Options) -> list[Row]:
    rows = []
    for kind, taken in bodies().items():
        say(kind)
        rounds = rounds_of(taken, options.runs)
        size_mb = PASSES * sum(map(len, taken)) / MB
        plain = median(costs["level 1"].seconds for costs in rounds)
        for name in ALTERNATIVES:
            ratios = [costs[name].seconds / costs["level 1"].seconds for costs in rounds]
            spent = median(costs[name].seconds for costs in rounds)
            grown = rounds[0][name].size_bytes / rounds[0]["level 1"].size_bytes - 1
            rows.append(
                Row(
                    what=f"{kind}: {name}",
                    measured=f"{1e3 * spent / size_mb:.3f} ms/MB ({min(ratios):.2f} to {max(ratios):.2f}), size {100 * grown:+.1f} %",
                    floor=f"{1e3 * plain / size_mb:.3f} ms/MB level 1",
                    ratio=median(ratios),
                )
            )
    return rows


if __name__ == "__main__":
    raise SystemExit(main(measure))
