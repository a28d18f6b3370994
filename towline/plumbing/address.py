"""Addresses as configuration writes them: `host:port` to listen on, `http://host` to call.

Room: plumbing. Never enters: sockets, name resolution.
"""

import os
from urllib.parse import urlsplit

from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place

_MAX_PORT = 65535


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of `0.0.0.0:2020`, `[::]:2020`, `:2020` (all addresses). Port 0 lets the kernel choose.

    Raises ValueError, whose message says what to write instead.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    # Digits are checked as ASCII: int() would take other alphabets' digits too.
    good_port = port.isascii() and port.isdigit() and int(port) <= _MAX_PORT
    if not colon or not good_port or (":" in bare and not bracketed) or not bare.isprintable() or " " in bare:
        raise ValueError(f"{text!r} is not an address to listen on. Write host:port, such as 0.0.0.0:8080 or [::]:8080")
    return bare or "0.0.0.0", int(port)  # noqa: S104 - `:8080` means all addresses, as everywhere


def check_url(text: str) -> None:
    """Raises ValueError, whose message says what to write instead, unless `text` is an http(s) URL of a host that may be called.

    No user or password in it (secrets come from files), no link-local host (metadata services live there).
    """
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError where it is no port
    except ValueError:
        raise ValueError("is not a URL. Write http://host:port") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an http or https URL. Write http://host:port")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or password. Use a *_file option for secrets")
    if parts.hostname.startswith(("169.254.", "fe80:")):
        raise ValueError("is a link-local address, which Towline never contacts. Name the service")


def cannot_listen(file: str, listen: str, error: OSError) -> ConfigError:
    """What to raise where nobody can listen at `listen`: the kernel's word for it, without asyncio's around it."""
    # A resolver's errors are negative and say themselves what they are.
    reason = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else error.strerror
    return ConfigError(Place(file, "http.listen").says(f"{listen}: {reason}. Free the port, or listen elsewhere"))
