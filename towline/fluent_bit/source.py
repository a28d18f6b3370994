"""Where the text of a Fluent Bit configuration comes from: a folder, as a ConfigMap is mounted, or a manifest that holds the ConfigMap.

Room: fluent_bit. Never enters: what the text means. Bounded: so many files, so many bytes.
"""

import fnmatch
import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import yaml

from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place
from towline.plumbing.recognise import is_fluent_bit_text

MAX_BYTES = 1 << 20
MAX_FILES = 100
_MAIN_NAMES = ("fluent-bit.conf", "fluent-bit.yaml", "fluent-bit.yml")
_NO_ROOM = f"and what it includes holds more than {MAX_FILES} files or {MAX_BYTES} bytes. Is it a configuration?"


class Texts(Protocol):
    """The files of a configuration."""

    main: tuple[tuple[str, str], ...]  # names and texts of what is read first

    def named(self, pattern: str, *, from_file: str) -> list[tuple[str, str]]:
        """Names and texts of the files that `pattern` means in `from_file`; none where there is no such file. Raises ConfigError."""


def open_texts(path: Path, looked_at: list[Path]) -> Texts:
    """`looked_at` is told of every file and folder that decides what is found. Raises ConfigError where `path` cannot be read, or holds no Fluent Bit configuration."""
    looked_at.append(path)
    if path.is_dir():
        return _Folder(path, looked_at)
    text = _read(path)
    if not is_manifest(text):
        return _Mounted(path, text, looked_at)
    for data in _config_maps(text, path):
        if any(is_fluent_bit_text(value) for value in data.values()):
            return _Manifest(path, data)
    raise ConfigError(
        Place(str(path)).says("has no ConfigMap with a Fluent Bit configuration. Name the file that holds one")
    )


def is_manifest(text: str) -> bool:
    """Whether it is made of Kubernetes objects."""
    return any(line.startswith(("kind:", "apiVersion:")) for line in text.splitlines())


class _Mounted:
    """A file and those beside it."""

    def __init__(self, path: Path, text: str, looked_at: list[Path]) -> None:
        self._folder, self._looked_at = path.parent, looked_at
        self._left = _Room(str(path))
        self._left.take(text)
        self.main: tuple[tuple[str, str], ...] = ((str(path), text),)

    def named(self, pattern: str, *, from_file: str) -> list[tuple[str, str]]:
        # Relative to the main file's folder, as Fluent Bit takes them, else to the including file's.
        for folder in dict.fromkeys((self._folder, Path(from_file).parent)):
            found = sorted(glob.glob(str(folder / pattern)))  # noqa: PTH207 - the pattern may be absolute
            files = [Path(name) for name in found if Path(name).is_file()]
            self._looked_at += [_fixed(folder / pattern), *files]
            if files:
                return [(str(file), self._left.take(_read(file))) for file in files]
        # The folder in which it stood in Fluent Bit's container: here it lies beside the main file.
        return self.named(Path(pattern).name, from_file=from_file) if pattern.startswith("/") else []


class _Folder(_Mounted):
    """A folder without a main file: all that is in it, as the `aws-logging` ConfigMap of EKS on Fargate is made."""

    def __init__(self, path: Path, looked_at: list[Path]) -> None:
        main = next((path / name for name in _MAIN_NAMES if (path / name).is_file()), None)
        files = [main] if main is not None else sorted(path.glob("*.conf"))
        if not files:
            raise ConfigError(Place(str(path)).says("is a folder without a *.conf. Name the file"))
        looked_at += files
        super().__init__(files[0], _read(files[0]), looked_at)
        self.main += tuple((str(file), self._left.take(_read(file))) for file in files[1:])


class _Manifest:
    """The data of a ConfigMap: its keys are the files."""

    def __init__(self, path: Path, data: Mapping[str, str]) -> None:
        self._path, self._data = path, data
        self._left = _Room(str(path))
        name = next((name for name in _MAIN_NAMES if name in data), None)
        names = [name] if name is not None else [name for name in data if name.endswith((".conf", ".yaml", ".yml"))]
        self.main: tuple[tuple[str, str], ...] = tuple(self._file(name) for name in names)

    def named(self, pattern: str, *, from_file: str) -> list[tuple[str, str]]:
        del from_file  # a ConfigMap is one folder, mounted wherever
        name = pattern.rsplit("/", 1)[-1]
        return [self._file(key) for key in sorted(self._data) if fnmatch.fnmatchcase(key, name)]

    def _file(self, key: str) -> tuple[str, str]:
        return f"{self._path} ({key})", self._left.take(self._data[key])


class _Room:
    """What may still be read: a file that includes itself must end."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._bytes, self._files = MAX_BYTES, MAX_FILES

    def take(self, text: str) -> str:
        self._bytes -= len(text)
        self._files -= 1
        if self._bytes < 0 or self._files < 0:
            raise ConfigError(Place(self._path).says(_NO_ROOM))
        return text


def _fixed(pattern: Path) -> Path:
    """A path, there or not; of a pattern the folder in which files that match may turn up."""
    return next(path for path in (pattern, *pattern.parents) if not glob.has_magic(str(path)))


def _read(path: Path) -> str:
    place = Place(str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(place.says(f"cannot be read ({error.strerror}). Check the path, and its mode")) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(place.says(f"is larger than {MAX_BYTES} bytes. Is it a configuration file?"))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(place.says(f"is not UTF-8 text (byte {error.start}). Is it a configuration file?")) from None


def _config_maps(text: str, path: Path) -> Iterator[dict[str, str]]:
    """The data of each ConfigMap. Nodes are looked at, nothing is constructed: neither tags nor aliases can do anything."""
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        problem = str(error).splitlines()[0] if isinstance(error, yaml.YAMLError) else "nested too deep"
        raise ConfigError(Place(str(path)).says(f"is not YAML ({problem}). Check the manifest")) from None
    for document in documents:
        items = _member(document, "items")
        for one in items.value if isinstance(items, yaml.SequenceNode) else [document]:
            kind, data = _member(one, "kind"), _member(one, "data")
            if isinstance(kind, yaml.ScalarNode) and kind.value == "ConfigMap" and isinstance(data, yaml.MappingNode):
                yield {
                    key.value: value.value
                    for key, value in data.value
                    if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)
                }


def _member(node: yaml.Node | None, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if getattr(key, "value", None) == name), None)
