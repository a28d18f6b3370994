"""Fluent Bit's YAML format to the sections that the classic one has.

Room: fluent_bit. Never enters: what the keys mean. Source: Fluent Bit's manual, "YAML configuration".
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from towline.fluent_bit.model import Kind, Property, Section, Setup
from towline.fluent_bit.source import Texts
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place

MAX_DEPTH = 10
MAX_NODES = 50_000  # aliases followed
_PIPELINE: Mapping[str, Kind] = {"inputs": "input", "filters": "filter", "outputs": "output"}
_TOP: Mapping[str, Kind] = {"parsers": "parser", "multiline_parsers": "multiline_parser"}


def read_yaml_form(text: str, file: str, texts: Texts, into: Setup, depth: int = 1) -> None:
    """Add the sections of `text` and of what it includes to `into`. Raises ConfigError, which names the line."""
    root = _compose(text, file)
    walk = _Walk(file)
    for key, node in walk.members(root):
        if key == "env":
            into.variables.update((name, walk.scalar(value)) for name, value in walk.members(node))
        elif key == "service":
            into.sections.append(Section("service", list(walk.properties(node)), file, _line(node)))
        elif key in _TOP:
            into.sections += walk.sections(_TOP[key], node)
        elif key == "pipeline":
            into.sections += _pipeline(walk, node, file)
        elif key == "includes":
            _include(walk.items(node), file, texts, into, depth)


def _pipeline(walk: "_Walk", node: yaml.Node, file: str) -> list[Section]:
    sections: list[Section] = []
    for part, listed in walk.members(node):
        if part not in _PIPELINE:
            raise _wrong(file, listed, f"pipeline.{part} is not known. Use {', '.join(_PIPELINE)}")
        sections += walk.sections(_PIPELINE[part], listed)
    return sections


def _include(nodes: list[yaml.Node], file: str, texts: Texts, into: Setup, depth: int) -> None:
    for node in nodes:
        pattern = str(getattr(node, "value", ""))
        found = texts.named(pattern, from_file=file)
        if depth >= MAX_DEPTH or not found:
            problem = f"there is no file {pattern}. Mount it beside this one" if not found else "includes go too deep"
            raise _wrong(file, node, f"includes: {problem}")
        for name, text in found:
            read_yaml_form(text, name, texts, into, depth + 1)


def _compose(text: str, file: str) -> yaml.Node | None:
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(Place(file, f"line {line}").says(f"is not YAML: {error.problem}. Check it there")) from None
    except (yaml.YAMLError, RecursionError):
        raise ConfigError(Place(file).says("is not YAML, or nested too deep. Check the file")) from None
    return root


class _Walk:
    """Nodes to sections, counting them: aliases could make a small file a large one."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._left = MAX_NODES

    def members(self, node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
        if node is not None and not isinstance(node, yaml.MappingNode):
            if getattr(node, "value", "") == "":
                return
            raise _wrong(self._file, node, "expected keys and values. Check the indentation")
        for key, value in node.value if node is not None else ():
            self._spend(node)
            yield str(key.value) if isinstance(key, yaml.ScalarNode) else "", value

    def items(self, node: yaml.Node) -> list[yaml.Node]:
        self._spend(node)
        return list(node.value) if isinstance(node, yaml.SequenceNode) else []

    def sections(self, kind: Kind, node: yaml.Node) -> Iterator[Section]:
        for item in self.items(node):
            inside = [
                inner
                for key, value in self.members(item)
                if key == "processors"
                for part, listed in self.members(value)
                if part == "logs"
                for inner in self.sections("filter", listed)
            ]
            yield Section(kind, list(self.properties(item)), self._file, _line(item), inside)

    def properties(self, node: yaml.Node) -> Iterator[Property]:
        """A list is the same key several times; a multiline rule is the three words that the classic format has."""
        for key, value in self.members(node):
            if key == "processors":
                continue
            listed = self.items(value) if isinstance(value, yaml.SequenceNode) else [value]
            for one in listed:
                if key == "rules" and isinstance(one, yaml.MappingNode):
                    yield Property("rule", self._rule(one), self._file, _line(one))
                else:
                    yield Property(key.lower(), self.scalar(one), self._file, _line(one))

    def _rule(self, node: yaml.Node) -> str:
        words = {name: self.scalar(word).replace('"', '\\"') for name, word in self.members(node)}
        return " ".join(f'"{words.get(name, "")}"' for name in ("state", "regex", "next_state"))

    def scalar(self, node: yaml.Node) -> str:
        self._spend(node)
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        if isinstance(node, yaml.MappingNode):
            return " ".join(f"{key} {self.scalar(value)}" for key, value in self.members(node))
        return " ".join(self.scalar(item) for item in self.items(node))

    def _spend(self, node: Any) -> None:
        self._left -= 1
        if self._left < 0:
            raise _wrong(self._file, node, f"holds more than {MAX_NODES} values, aliases counted. Use fewer aliases")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _wrong(file: str, node: yaml.Node, problem: str) -> ConfigError:
    return ConfigError(Place(file, f"line {_line(node)}").says(problem))
