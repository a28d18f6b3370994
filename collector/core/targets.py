"""Which endpoints of the pod are scraped: what the configuration names, and what the pod's annotations say.

Room: collector core. Never enters: sockets, files, clocks.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from towline.wire.identity import Pod

LOCALHOST = "127.0.0.1"
_DEFAULT_PATH = "/metrics"
_YES = frozenset({"true", "1", "yes"})
_MAX_ANNOTATED_PORTS = 8
_PORTS = range(1, 65536)


class Target(NamedTuple):
    """One endpoint. labels are added to each of its series."""

    url: str
    labels: tuple[tuple[str, str], ...]


class Fault(NamedTuple):
    """An annotation that cannot be followed, and why."""

    annotation: str
    reason: str


def annotated(pod: Pod) -> tuple[list[Target], list[Fault]]:
    """What `prometheus.io/{scrape,port,path,scheme}` ask for; several ports are separated by commas. Only this pod's own ports are asked."""
    said = {
        name: pod.annotations.get(f"prometheus.io/{name}", "").strip() for name in ("scrape", "port", "path", "scheme")
    }
    if said["scrape"].lower() not in _YES:
        return [], []
    if not said["port"]:
        return [], [Fault("prometheus.io/port", "is missing. Write the port that serves metrics")]
    scheme, path = said["scheme"] or "http", said["path"] or _DEFAULT_PATH
    if scheme not in {"http", "https"}:
        return [], [Fault("prometheus.io/scheme", f"{scheme!r} is neither http nor https")]
    if not path.startswith("/") or not path.isprintable() or " " in path:
        return [], [Fault("prometheus.io/path", f"{path!r} is not a path. Write one that starts with /")]
    targets, faults = [], []
    for word in said["port"].split(",")[:_MAX_ANNOTATED_PORTS]:
        if not word.strip().isdecimal() or int(word) not in _PORTS:
            faults.append(Fault("prometheus.io/port", f"{word.strip()!r} is not a port number"))
            continue
        url = f"{scheme}://{LOCALHOST}:{int(word)}{path}"
        targets.append(Target(url, labels_of(url, pod, "", {})))
    return targets, faults


def labels_of(url: str, pod: Pod, job: str, more: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """`job` (the workload where none is given) and `instance` (the pod's address: localhost would be everybody's), then `more`."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = pod.ip or pod.name
    instance = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return tuple(({"job": job or pod.workload or pod.name, "instance": instance} | dict(more)).items())


def without_twins(targets: Iterable[Target]) -> list[Target]:
    """Each address once, the first that names it: an annotated port may stand in the configuration, too."""
    return list({_address(target.url): target for target in reversed(list(targets))}.values())[::-1]


def told_apart(targets: Iterable[Target]) -> tuple[list[Target], list[Fault]]:
    """Each label set once, the first that has it: of two endpoints under one name only one would be seen, now this one, now that."""
    kept: dict[frozenset[tuple[str, str]], Target] = {}
    hidden = [one for one in targets if kept.setdefault(frozenset(one.labels), one) is not one]
    reason = (
        "has job, instance and labels of another endpoint. Give one of the two a job of its own in the configuration"
    )
    return list(kept.values()), [Fault(one.url, reason) for one in hidden]


def _address(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return f"{parts.port or parts.scheme}", parts.path or "/"


def is_local(url: str) -> bool:
    """Whether an address can only be this pod's own: the containers of a pod share localhost."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
