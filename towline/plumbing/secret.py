"""Secrets come from a file or the environment and never come out by accident.

Room: plumbing. Never enters: what a secret is good for.
"""

import contextlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from towline.plumbing.errors import ConfigError, SecretAbsentError
from towline.plumbing.place import Place

MASK = "***"
MAX_SECRET_BYTES = 64 * 1024


class Secret(str):
    """A secret whose text is `***` to everyone: print, repr, JSON, an error message, a log. Only `reveal()` tells it.

    It is a `str` that holds the mask, so that even code that knows nothing of it (a serializer, `+`, `%s`) shows the mask.
    One that came from a file is read again when the file has changed: Kubernetes swaps projected tokens and mounted secrets.
    """

    __slots__ = ("_path", "_seen", "_value")
    _path: Path | None
    _seen: tuple[int, int, int] | None
    _value: str

    def __new__(cls, value: str, path: Path | None = None) -> Self:
        secret = super().__new__(cls, MASK)
        secret._value = value
        secret._path = path
        secret._seen = None
        return secret

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Raises ValueError where the file holds no usable secret, OSError where it cannot be read."""
        secret = cls("", path)
        secret._read(path)
        return secret

    def reveal(self) -> str:
        """The secret itself, fresh from its file. While the file is being replaced, or is damaged, the last good one."""
        if self._path is not None:
            with contextlib.suppress(OSError, ValueError):
                self._read(self._path)
        return self._value

    def _read(self, path: Path) -> None:
        found = path.stat()
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen != self._seen:
            with path.open("rb") as file:
                self._value = _clean(file.read(MAX_SECRET_BYTES + 1))
            self._seen = seen

    def __repr__(self) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Equal to another secret of the same value, never to plain text: comparing with text is how a mask would pass for a secret."""
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]  # a secret changes with its file: it must not be a key

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled or copied")


def _clean(raw: bytes) -> str:
    """The secret in a file's bytes, without the newline that editors add. Raises ValueError, whose message never shows it."""
    if len(raw) > MAX_SECRET_BYTES:
        raise ValueError(f"is larger than {MAX_SECRET_BYTES} bytes. Is it the right file?")
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text. Is it the right file?") from None
    if not text:
        raise ValueError("is empty. Write the secret into it")
    if not text.isprintable():
        raise ValueError("holds control characters or several lines. Write the secret on one line")
    return text


def read_secret(place: Place, file: str, env_name: str = "", env: Mapping[str, str] | None = None) -> Secret | None:
    """The secret in `file` (what `place`, a `*_file` key, says), or else in the environment's `env_name`. None where neither is given.

    Raises ConfigError where it is given and not usable: a SecretAbsentError where its file is not there or not for this user.
    """
    if file:
        try:
            return Secret.from_file(Path(file))
        except FileNotFoundError:
            raise SecretAbsentError(place.says(f"there is no file {file}. Mount it, or correct the path")) from None
        except OSError as error:
            raise SecretAbsentError(
                place.says(f"{file} cannot be read ({error.strerror}). Check its mode and its owner")
            ) from None
        except ValueError as error:
            raise ConfigError(place.says(f"{file} {error}")) from None
    value = (os.environ if env is None else env).get(env_name, "").strip() if env_name else ""
    if value and not value.isprintable():
        raise ConfigError(
            place.says(f"environment variable {env_name} holds control characters. Write the secret on one line")
        )
    return Secret(value) if value else None
