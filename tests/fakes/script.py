"""What a counterpart does to each request: typed behaviours, and the script that deals them out.

A behaviour is a value; the servers act on it. As JSON (`POST /_script`) it is an object with `kind`, the class's name in lower case.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag=str.lower):
    """Something other than a correct answer."""


class Answer(Behaviour):
    """Answer at once with `status`; nothing is recorded."""

    status: int
    headers: dict[str, str] = {}
    body: str = ""


class Redirect(Behaviour):
    """Send the client elsewhere; nothing is recorded."""

    location: str
    status: int = 307


class Slow(Behaviour):
    """Judge and record at once, answer `seconds` later."""

    seconds: float


class Hang(Behaviour):
    """Read the whole request, never answer; nothing is recorded."""


class HalfRead(Behaviour):
    """Read `size_bytes` of the body, then reset the connection; nothing is recorded."""

    size_bytes: int = 1024


class Reset(Behaviour):
    """Read the whole request, then reset the connection; nothing is recorded."""


class Recorded(Behaviour):
    """Accept and record, and then do not say so: close, reset, hang, or answer with `status`."""

    then: Literal["cut", "reset", "hang", "answer"] = "cut"
    status: int = 500


class Rubbish(Behaviour):
    """Answer with bytes that are not HTTP, then close; nothing is recorded."""

    text: str = "SSH-2.0-not-what-you-wanted\r\n\r\n"


class Endless(Behaviour):
    """Answer `status` with a body of `size_bytes`; nothing is recorded. A client with a cap reads far less."""

    size_bytes: int = 512 << 20
    status: int = 200


class Poison(Behaviour):
    """Refuse (the form that means "never again") whatever holds `text` in a message; else behave."""

    text: str


class MaxBytes(Behaviour):
    """Refuse as too large what is above `limit_bytes` (uncompressed); else behave."""

    limit_bytes: int


AnyBehaviour = Answer | Redirect | Slow | Hang | HalfRead | Reset | Recorded | Rubbish | Endless | Poison | MaxBytes


@dataclass(frozen=True)
class Seen:
    """What a script's callable may decide by: the request before its body is read. `number` counts from 1."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]


Chooser = Callable[[Seen], AnyBehaviour | None]


class Script:
    """The steps in order, one per request, then `then` for ever: a behaviour, a callable, or None (behave)."""

    def __init__(self, *steps: AnyBehaviour | None, then: AnyBehaviour | Chooser | None = None) -> None:
        self._steps = list(steps)
        self._then = then

    @classmethod
    def from_json(cls, text: bytes) -> "Script":
        """`{"steps": [...], "then": ...}`; raises msgspec.ValidationError where it is anything else."""
        form = msgspec.json.decode(text, type=_ScriptForm)
        return cls(*form.steps, then=form.then)

    def next(self, seen: Seen) -> AnyBehaviour | None:
        if self._steps:
            return self._steps.pop(0)
        return self._then(seen) if callable(self._then) else self._then


class _ScriptForm(msgspec.Struct, forbid_unknown_fields=True):
    steps: list[AnyBehaviour | None] = []
    then: AnyBehaviour | None = None


class RandomFaults:
    """A chooser: with probability `rate` one of `faults`; the same seed deals the same hand."""

    def __init__(self, rate: float, seed: int, faults: tuple[AnyBehaviour, ...]) -> None:
        self._rate = rate
        self._random = random.Random(seed)
        self._faults = faults

    def __call__(self, _seen: Seen) -> AnyBehaviour | None:
        if self._random.random() >= self._rate:
            return None
        return self._random.choice(self._faults)
