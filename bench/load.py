"""Log lines as apps write them, a backlog of them, and a writer that keeps a steady rate.

Half nginx access lines, half JSON; about 200 bytes each; ids, addresses and times differ, so zstd finds about what it finds in real logs.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import MB, MIB

UNIT_MB = 32  # unique bytes; a longer backlog repeats them, which no 1 MiB block can notice
STAMP = "at="  # before 19 digits: Unix nanoseconds at which the line was appended
PATHS = (
    "/api/orders",
    "/api/orders/{}",
    "/cart",
    "/checkout",
    "/static/app.{}.js",
    "/api/users/{}/profile",
    "/healthz",
    "/search?q={}",
)
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Safari/604.1",
    "okhttp/4.12.0",
    "kube-probe/1.29",
    "curl/8.5.0",
)
REFERERS = ("-", "https://shop.example/", "https://shop.example/search?q=lamp", "https://shop.example/category/garden")
MESSAGES = (
    "order placed",
    "payment authorised",
    "cache miss",
    "retrying upstream",
    "session expired",
    "stock reserved",
    "slow query",
)
LEVELS = ("info",) * 8 + ("warning", "error")


def nginx_line(choice: random.Random, moment: float) -> str:
    """One access line in nginx's combined form."""
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(moment))
    path = choice.choice(PATHS).format(f"{choice.getrandbits(40):010x}")
    status = choice.choice((200, 200, 200, 200, 204, 301, 304, 404, 500))
    address = ".".join(str(choice.randrange(1, 255)) for _ in range(4))
    size = choice.randrange(80, 90_000)
    agent = choice.choice(AGENTS)
    return f'{address} - - [{when}] "GET {path} HTTP/1.1" {status} {size} "{choice.choice(REFERERS)}" "{agent}" {choice.random():.3f} {choice.getrandbits(64):016x}'


def json_line(choice: random.Random, moment: float) -> str:
    """One structured line of an app."""
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{choice.randrange(1_000_000):06d}Z"
    return (
        f'{{"time":"{when}","level":"{choice.choice(LEVELS)}","logger":"shop.orders","msg":"{choice.choice(MESSAGES)}",'
        f'"request":{{"method":"POST","path":"{choice.choice(PATHS).format(choice.randrange(10**6))}"}},"trace_id":"{choice.getrandbits(128):032x}","user":{choice.randrange(10**7)},"duration_ms":{choice.random() * 900:.2f}}}'
    )


def lines(seed: int = 0) -> Iterator[str]:
    """Lines without newline, for ever; the same for the same seed but for the moment of the run."""
    choice, moment = random.Random(seed), time.time()
    while True:
        moment += choice.random() / 100
        yield nginx_line(choice, moment) if choice.getrandbits(1) else json_line(choice, moment)


def chunk(size_bytes: int, seed: int = 0) -> bytes:
    """Whole lines of about `size_bytes` together, never less."""
    taken, total = [], 0
    for line in lines(seed):
        if total >= size_bytes:
            break
        taken.append(line)
        total += len(line) + 1
    return ("\n".join(taken) + "\n").encode()


def write_backlog(path: Path, size_mb: int) -> int:
    """A file of about `size_mb` MB of whole lines. Returns its size in bytes."""
    unit = chunk(min(size_mb, UNIT_MB) * MB)
    with path.open("wb") as stream:
        for _ in range(max(1, round(size_mb * MB / len(unit)))):
            stream.write(unit)
    return path.stat().st_size


def blocks(path: Path) -> Iterator[bytes]:
    """The file's blocks as a collector cuts them: whole lines, at most 1 MiB."""
    rest = b""
    with path.open("rb", buffering=0) as stream:
        while data := stream.read(MIB - len(rest)):
            data = rest + data
            cut = data.rfind(b"\n") + 1
            yield data[:cut]
            rest = data[cut:]
    if rest:
        yield rest


def append_steadily(path: Path, bytes_per_second: float, appends_per_second: float, is_over: Callable[[], bool]) -> int:
    """Append whole lines, each stamped with the moment of its append, in equal steps until `is_over`. Returns the bytes written.

    A late step is made up for at once, as an app's own burst would be.
    """
    step_bytes = bytes_per_second / appends_per_second
    source = lines(seed=os.getpid())
    written, step = 0, 0
    started = time.monotonic()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        while not is_over():
            taken: list[str] = []
            while written + sum(map(len, taken)) < step_bytes * (step + 1):
                taken.append(f"{next(source)} {STAMP}{'0' * 19}\n")
            stamp = f"{STAMP}{time.time_ns()}\n"
            written += (
                os.write(descriptor, "".join(line[: -len(stamp)] + stamp for line in taken).encode()) if taken else 0
            )
            step += 1
            time.sleep(max(0.0, started + step / appends_per_second - time.monotonic()))
    finally:
        os.close(descriptor)
    return written


def for_seconds(seconds: float) -> Callable[[], bool]:
    """True once `seconds` have passed from now."""
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() > deadline


def append_line(path: Path) -> None:
    """One stamped line, in one append."""
    with path.open("ab", buffering=0) as stream:
        stream.write(f"{next(lines())} {STAMP}{time.time_ns()}\n".encode())
