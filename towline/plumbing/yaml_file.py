"""A YAML file to plain values: bounded, no custom tags, no duplicate keys, `${VAR}` expanded.

Room: plumbing. Never enters: what the keys mean (config_file.py converts them).
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place, raise_if_any

MAX_FILE_BYTES = 1 << 20
MAX_VALUES = 50_000  # after aliases are followed: ten nested lists of ten aliases would otherwise be 10**10
MAX_DEPTH = 32

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")
# YAML 1.1 would read 010 as 8 and 22:22 as 1342: only what everybody calls a number is one.
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)
_LONGEST_NUMBER = 25  # longer ones stay text: Python refuses to read integers of thousands of digits
_TRUE = {"true", "yes", "on"}  # YAML 1.1, as Kubernetes reads it
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {
    _TAG + name for name in ("null", "bool", "int", "float", "timestamp", "value", "str", "merge", "map", "seq")
}


def read_yaml(path: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """The values of a YAML file whose top is keys and values. Raises ConfigError, which names all that is wrong with it."""
    return parse_yaml(_read_text(path), str(path), env)


def parse_yaml(text: str, file: str, env: Mapping[str, str]) -> dict[str, Any]:
    """As read_yaml, of text that came from `file`. Values that hold a `${VAR}` stay text."""
    place = Place(file)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(place.says(_syntax_problem(error))) from None
    except yaml.YAMLError as error:
        raise ConfigError(place.says(f"is not YAML ({str(error).splitlines()[0]}). Remove what is not text")) from None
    except RecursionError:
        raise ConfigError(place.says(f"is nested deeper than {MAX_DEPTH} levels. Flatten it")) from None
    if root is None:
        raise ConfigError(place.says("is empty. Write its keys; config/base names them all"))
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(place.says("does not hold keys and values. Start it with a key such as `http:`"))
    build = _Build(env)
    values: dict[str, Any] = build.mapping(root, place, 1)
    raise_if_any(build.problems)
    return values


def _read_text(path: Path) -> str:
    place = Place(str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            place.says("there is no such file. Check the path, and that its ConfigMap is mounted")
        ) from None
    except IsADirectoryError:
        raise ConfigError(place.says("is a folder. Name the file in it")) from None
    except PermissionError:
        raise ConfigError(place.says("may not be read by this user. Check its mode and its owner")) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(place.says(f"cannot be read ({reason}). Check the path")) from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(place.says(f"is larger than {MAX_FILE_BYTES} bytes. Is it a configuration file?"))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(place.says(f"is not UTF-8 text (byte {error.start}). Is it a configuration file?")) from None


def _syntax_problem(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    what = ", ".join(part for part in (error.problem, error.context) if part)
    return f"{where}is not YAML: {what}. Check indentation, quotes and colons there"


class _Build:
    """Nodes to values, counting them. Problems are gathered: a user sees all of them at once."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._left_values = MAX_VALUES
        self.problems: list[str] = []

    def mapping(self, node: yaml.MappingNode, place: Place, depth: int) -> dict[str, Any]:
        """Keys are text, each once. What `<<` merges never overrides a key that is written out."""
        written: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                self._note(place, "a key is a list or a mapping", "Write a word", key_node)
            elif key_node.tag == _TAG + "merge":
                merged = self._merge(value_node, place, depth) | merged
            elif key in written:
                self._note(place.child(key), "stands there twice", "Remove one of the two", key_node)
            else:
                written[key] = self.value(value_node, place.child(key), depth + 1)
        return merged | written

    def value(self, node: yaml.Node, place: Place, depth: int) -> Any:
        """The value of one node; None where it was a problem, which is noted."""
        self._spend(place, depth)
        if node.tag not in _PLAIN_TAGS:
            self._note(place, f"has the tag {node.tag.replace(_TAG, '!!')}, which is not known here", "Remove it", node)
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, place, depth)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        return [self.value(item, place.item(index), depth + 1) for index, item in enumerate(node.value)]

    def _merge(self, node: yaml.Node, place: Place, depth: int) -> dict[str, Any]:
        value = self.value(node, place.child("<<"), depth + 1)
        merged: dict[str, Any] = {}
        for part in value if isinstance(value, list) else [value]:
            if not isinstance(part, dict):
                self._note(
                    place.child("<<"), "merges what is not keys and values", "Give it an alias of a mapping", node
                )
                return {}
            merged = part | merged
        return merged

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in _TRUE
        if kind == "int" and len(text) <= _LONGEST_NUMBER and _INTEGER.fullmatch(text):
            return int(text, 16 if text.startswith("0x") else 10)
        if kind == "float" and _FLOAT.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        return self._expand(text, place, node)

    def _expand(self, text: str, place: Place, node: yaml.Node) -> str:
        """`${VAR}`, `${VAR:-default}` (also where VAR is empty), `$${` for a literal `${`."""

        def replace(match: re.Match[str]) -> str:
            whole, name, default = match[0], match[1], match[2]
            if whole == "$${":
                return "${"
            if name is None:
                self._note(
                    place, "holds a `${` that is not ${NAME} or ${NAME:-default}", "Write $${ for a literal ${", node
                )
                return ""
            value = self._env.get(name)
            if default is not None:
                return value or default
            if value is None:
                self._note(
                    place,
                    f"environment variable {name} is not set",
                    f"Set it, or give a default: ${{{name}:-...}}",
                    node,
                )
                return ""
            return value

        return _VARIABLE.sub(replace, text)

    def _spend(self, place: Place, depth: int) -> None:
        self._left_values -= 1
        if depth > MAX_DEPTH:
            raise ConfigError(Place(place.file).says(f"is nested deeper than {MAX_DEPTH} levels. Flatten it"))
        if self._left_values < 0:
            raise ConfigError(
                Place(place.file).says(f"holds more than {MAX_VALUES} values, aliases counted. Use fewer aliases")
            )

    def _note(self, place: Place, problem: str, fix: str, node: yaml.Node) -> None:
        self.problems.append(place.says(f"{problem} (line {node.start_mark.line + 1}). {fix}"))
