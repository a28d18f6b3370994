"""A Fluent Bit configuration in the place of one of ours: converted in memory, by the path that `towline convert` takes.

Room: fluent_bit, beside convert. Never enters: what the values mean.
"""

import functools
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from towline.fluent_bit.convert import Converted, convert
from towline.fluent_bit.means import Means
from towline.fluent_bit.variables import Variables
from towline.fluent_bit.writing import as_yaml
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place, raise_if_any

Half = Literal["collector", "aggregator"]
ConfigT = TypeVar("ConfigT")
_OF_PODS = ("[INPUT]", "[SERVICE]")  # what filters and outputs do is the aggregator's to say
_REFERENCE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def read_converted(
    path: Path,
    half: Half,
    load: Callable[[Path], ConfigT],
    env: Mapping[str, str] | None = None,
    means: Means | None = None,
) -> tuple[ConfigT, list[str]]:
    """What `load` makes of one of the two files that `path` becomes, and what whoever runs it should know.

    Raises ConfigError, which holds every problem: what cannot be read, what Towline does not do, what `load` finds.
    """
    known = os.environ if env is None else env
    text, warnings = our_text(path, half, known, means)
    descriptor = os.memfd_create(half, os.MFD_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
        ours = f"/proc/self/fd/{descriptor}"
        try:
            return load(Path(ours)), warnings
        except ConfigError as error:
            raise type(error)(str(error).replace(ours, str(path))) from None
    finally:
        os.close(descriptor)


def our_text(path: Path, half: Half, env: Mapping[str, str], means: Means | None = None) -> tuple[str, list[str]]:
    """One of the two files, as a start reads it: with its keys at hand. Raises ConfigError."""
    converted = convert(path, env, means)
    raise_if_any(converted.report.refused())
    values = converted.collector if half == "collector" else converted.aggregator
    if half == "aggregator":
        values = _with_keys(values, converted, env)
    text = as_yaml(values, half, str(path))
    raise_if_any(_unset(text, path, env))
    warnings = [
        entry for entry in converted.report.warnings if half == "aggregator" or entry.title.startswith(_OF_PODS)
    ]
    return text, [entry.told() for entry in warnings]


def _unset(text: str, path: Path, env: Mapping[str, str]) -> list[str]:
    """Said before the reader says it, whose line numbers are those of a text that nobody sees."""
    names = dict.fromkeys(_REFERENCE.findall(text))
    return [
        Place(str(path)).says(f"environment variable {name} is not set. Set it, or write its value instead")
        for name in names
        if name not in env
    ]


def _with_keys(values: dict[str, Any], converted: Converted, env: Mapping[str, str]) -> dict[str, Any]:
    """Keys that are written out, or stand in a variable of another name than ours, in memory files that only this process can open."""
    sinks = dict(values["sinks"])
    for name, secret in converted.secrets.items():
        key = _resolved(secret, converted.variables, env)
        if not key:
            raise ConfigError(
                Place(str(converted.report.name)).says(
                    f"[OUTPUT] {name}: apikey is empty. Write it, or set its variable"
                )
            )
        sinks[name] = {**sinks[name], "api_key_file": _kept(key)}
    return {**values, "sinks": sinks}


def _resolved(secret: str, variables: Variables, env: Mapping[str, str]) -> str:
    name = variables.only_variable(secret)
    return env.get(name, "") if name else variables.now(secret).strip()


@functools.cache
def _kept(key: str) -> str:
    """The path of a memory file that holds the key. Never closed: the number could become another file's, and be read as a key."""
    descriptor = os.memfd_create("api-key", os.MFD_CLOEXEC)
    os.write(descriptor, key.encode())
    return f"/proc/self/fd/{descriptor}"
