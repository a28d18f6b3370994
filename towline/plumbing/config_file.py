"""Plain values to config structs: every problem named by `file: key.path: what is wrong. what to do`.

Room: plumbing. Never enters: which options there are (each stands beside the component that reads it).
"""

import math
import os
import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar, Union

import msgspec

from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place, closest, raise_if_any
from towline.plumbing.secret import read_secret
from towline.plumbing.sizes import parse_amount
from towline.plumbing.yaml_file import read_yaml

StructT = TypeVar("StructT", bound=msgspec.Struct)

_EXPECTED = re.compile(r"Expected `([^`]+)`( [<>]=? [-0-9.]+)?(?:, got `([^`]+)`)?")
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "keys and values",
    "null": "nothing",
}


class HasConfig(Protocol):
    """A row of a registry: it knows the type of its component's options."""

    @property
    def config(self) -> type[Any]: ...


SpecT = TypeVar("SpecT", bound=HasConfig)


def load_config(path: Path, kind: type[StructT], env: Mapping[str, str] | None = None) -> StructT:
    """Read `path` and convert it. Raises ConfigError, which holds every problem, one a line."""
    return convert(read_yaml(path, os.environ if env is None else env), kind, Place(str(path)))


def convert(values: Any, kind: type[StructT], place: Place, name: str = "", also: Collection[str] = ()) -> StructT:
    """Convert plain values to a struct. Raises ConfigError, which holds every problem.

    `name` is what the list of its options is called, `also` what that list names beside the struct's own.

    Checks of the struct's own (`__post_init__`) raise ValueError(f"{key}: what is wrong. what to do").
    """
    converter = _Converter(also)
    struct = converter.struct(values, kind, place, name)
    raise_if_any(converter.problems)
    return typing.cast("StructT", struct)


def build_component(
    values: Any, registry: Mapping[str, SpecT], place: Place, also: Collection[str] = ()
) -> tuple[SpecT, Any]:
    """The row of `registry` that a named component's `type` names, and its options converted. Raises ConfigError.

    `also` names options that the caller has taken out already: they are told to whoever misspells one.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            place.says(f"expected keys and values. Write {{type: ..., ...}} with a type of: {', '.join(registry)}")
        )
    kind = values.get("type")
    if kind is None:
        raise ConfigError(place.says(f"`type` is missing. Use one of: {', '.join(registry)}"))
    spec = registry.get(kind) if isinstance(kind, str) else None
    if spec is None:
        raise ConfigError(
            place.says(f"unknown type {kind!r}.{closest(str(kind), registry)} Use one of: {', '.join(registry)}")
        )
    own = {key: value for key, value in values.items() if key != "type"}
    return spec, convert(own, spec.config, place, kind, also)


def check_secret_files(config: msgspec.Struct, place: Place) -> list[ConfigError]:
    """What is wrong with the files that options ending in `_file` or `_files` name, anywhere in `config`: one error for each."""
    problems = []
    for where, file in _secret_files(config, place):
        try:
            read_secret(where, file)
        except ConfigError as error:
            problems.append(error)
    return problems


def _secret_files(config: msgspec.Struct, place: Place) -> Iterator[tuple[Place, str]]:
    for name in config.__struct_fields__:
        value = getattr(config, name)
        if isinstance(value, msgspec.Struct):
            yield from _secret_files(value, place.child(name))
        elif name.endswith("_file") and value:
            yield place.child(name), value
        elif name.endswith("_files"):
            yield from ((place.child(name).item(index), file) for index, file in enumerate(value))


class _Converter:
    """Field by field, so that every problem is found and has its whole path (msgspec stops at the first and hides mapping keys)."""

    def __init__(self, also: Collection[str]) -> None:
        self._also = also
        self.problems: list[str] = []

    def struct(self, values: Any, kind: type[Any], place: Place, name: str) -> Any:
        """A struct of `kind`, or None where something was wrong with it. A key with nothing behind it has its defaults."""
        values = {} if values is None else values
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        known = [*fields, *(self._also if name else ())]
        options = f"Options of {name or place.key or 'the file'}: {', '.join(known)}"
        if not isinstance(values, Mapping):
            self._note(place, f"expected keys and values, got {_word_for(values)}. {options}")
            return None
        before = len(self.problems)
        for key in (key for key in values if key not in fields):
            self._note(place.child(str(key)), f"unknown key.{closest(str(key), known)} {options}")
        for key in (key for key, field in fields.items() if field.required and key not in values):
            self._note(place.child(key), f"is missing. Add it. {options}")
        found = {
            field.name: self.value(values[key], field.type, place.child(key))
            for key, field in fields.items()
            if key in values
        }
        if len(self.problems) > before:
            return None
        try:
            return kind(**found)
        except ValueError as error:
            key, _, problem = str(error).partition(": ")
            self._note(place.child(key), problem)
            return None

    def value(self, value: Any, kind: Any, place: Place) -> Any:
        """`value` as `kind`, or None where something was wrong with it."""
        bare = _without_annotation(kind)
        origin, args = typing.get_origin(bare), typing.get_args(bare)
        if origin in {Union, types.UnionType} and type(None) in args:
            rest = tuple(arg for arg in args if arg is not type(None))
            return None if value is None else self.value(value, Union[rest], place)  # noqa: UP007 - built at run time
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            return self.struct(value, bare, place, "")
        if origin in {tuple, list} and isinstance(value, list | None):
            return origin(self.value(item, args[0], place.item(index)) for index, item in enumerate(value or ()))
        if origin in {dict, Mapping} and isinstance(value, dict | None):
            return {key: self.value(item, args[1], place.child(key)) for key, item in (value or {}).items()}
        if origin is Literal:
            return self._choice(value, args, place)
        return self._leaf(value, kind, place)

    def _choice(self, value: Any, choices: tuple[Any, ...], place: Place) -> Any:
        if value not in choices:
            near = closest(value, map(str, choices)) if isinstance(value, str) else ""
            self._note(place, f"this version knows no {value!r}.{near} Use one of: {', '.join(map(str, choices))}")
        return value

    def _leaf(self, value: Any, kind: Any, place: Place) -> Any:
        try:
            # Not strict: what `${VAR}` was replaced by is text, also where a number or a truth value is wanted.
            converted = msgspec.convert(_in_base_unit(value, kind), kind, strict=False)
        except msgspec.ValidationError as error:
            self._note(place, _reworded(str(error), value, kind))
            return None
        except ValueError as error:
            self._note(place, str(error))
            return None
        if isinstance(converted, float) and not math.isfinite(converted):
            self._note(place, "is not a finite number. Write a number")
        return converted

    def _note(self, place: Place, problem: str) -> None:
        self.problems.append(place.says(problem))


def _without_annotation(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind


def _unit_of(kind: Any) -> dict[str, Any] | None:
    """The unit that an Annotated type's Meta names (sizes.py), None where it names none."""
    for meta in typing.get_args(kind)[1:] if typing.get_origin(kind) is Annotated else ():
        if isinstance(meta, msgspec.Meta) and meta.extra and "unit" in meta.extra:
            return meta.extra
    return None


def _in_base_unit(value: Any, kind: Any) -> Any:
    """A size or duration written as text becomes its number. Raises ValueError, whose message says what to write instead."""
    unit = _unit_of(kind)
    return parse_amount(value, unit) if unit and isinstance(value, str) else value


def _word_for(value: Any) -> str:
    names = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "keys and values",
    }
    return "nothing" if value is None else names.get(type(value), type(value).__name__)


def _fix_for(kind: Any) -> str:
    """What to write where a value of `kind` is wanted."""
    bare = _without_annotation(kind)
    unit = _unit_of(kind)
    if unit:
        return (
            "Write bytes, or a size such as 512MiB"
            if unit["unit"] == "bytes"
            else "Write seconds, or a duration such as 5m"
        )
    origin = typing.get_origin(bare)
    if origin in {Union, types.UnionType}:
        fixes = [_fix_for(one).removeprefix("Write ") for one in typing.get_args(bare) if one is not type(None)]
        return f"Write {', or '.join(fixes)}"
    if origin in {tuple, list, dict, Mapping}:
        return "Write a list: [..., ...]" if origin in {tuple, list} else "Write keys and values: {name: ...}"
    word = _WORDS.get(getattr(bare, "__name__", ""))
    return f"Write {word}" if word else "Add it"


def _reworded(message: str, value: Any, kind: Any) -> str:
    """Msgspec's message in the words of YAML, with the fix."""
    match = _EXPECTED.match(message)
    if match is None:
        return f"{message.partition(' - at ')[0]}. {_fix_for(kind)}"
    expected = " or ".join(_WORDS.get(name, name) for name in match[1].split(" | "))
    problem = f"expected {expected}{match[2] or ''}, got {_word_for(value) if match[2] is None else value}"
    quote = match[1] == "str" and value is not None and not isinstance(value, list | dict)
    return f"{problem}. {'Put it in quotes' if quote else _fix_for(kind)}"
