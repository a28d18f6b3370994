"""Reads who this pod is: environment, downward API volume; outside Kubernetes the machine.

Room: collector, beside app. Never enters: the Kubernetes API, any metadata address.
"""

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from collector.config import IdentityConfig
from collector.core.identity import parse_podinfo, pod_of
from towline.plumbing.errors import ConfigError
from towline.wire.identity import Pod

MAX_PODINFO_BYTES = 1 << 20  # Kubernetes allows 256 KiB of annotations
MACHINE_ID = Path("/etc/machine-id")
_MACHINE_ID_LENGTH = 32  # machine-id(5): 32 hexadecimal characters; a fresh image says "uninitialized" or nothing


class PodIdentity:
    """The pod as it knows itself. Labels and annotations are read again when their files change."""

    def __init__(self, config: IdentityConfig, podinfo_dir: Path, env: Mapping[str, str], uid: str) -> None:
        self._env = env
        self._labels = _WatchedFile(podinfo_dir / "labels")
        self._annotations = _WatchedFile(podinfo_dir / "annotations")
        self._place = Pod(
            namespace="local",
            name=os.uname().nodename,
            uid=uid,
            cluster=config.cluster,
            region=config.region,
            account=config.account,
        )
        self._pod: Pod | None = None

    def pod(self) -> Pod:
        """The same object until a file has changed: whoever encodes it may keep the bytes. Two stat calls."""
        changed = [self._labels.refresh(), self._annotations.refresh()]
        if self._pod is None or any(changed):
            self._pod = pod_of(self._env, self._labels.values, self._annotations.values, self._place)
        return self._pod


def open_identity(
    config: IdentityConfig,
    podinfo_dir: str,
    state_dir: str,
    env: Mapping[str, str] | None = None,
    file: Path = Path("collector.yaml"),
) -> PodIdentity:
    """The identity of this pod, or outside Kubernetes of this machine. Raises ConfigError where no stable uid can be had; `file` is what it names."""
    known = os.environ if env is None else env
    uid = known.get("POD_UID") or machine_uid(Path(state_dir), file=file)
    return PodIdentity(config, Path(podinfo_dir), known, uid)


def machine_uid(state_dir: Path, machine_id: Path = MACHINE_ID, file: Path = Path("collector.yaml")) -> str:
    """A uid, in a pod uid's form, that stays the same for this machine and this state folder.

    From the machine's own id, because a uid that were lost with the state folder would make all data look new; where there
    is none, from a file made in `state_dir`. The host name takes part because images and clones share a machine id.
    """
    seed = _read_text(machine_id, MAX_PODINFO_BYTES).strip()
    if len(seed) != _MACHINE_ID_LENGTH:
        seed = _seed_kept_in(state_dir, file)
    parts = f"towline\0{seed}\0{os.uname().nodename}\0{state_dir.resolve()}"
    digest = hashlib.blake2b(parts.encode(errors="surrogateescape"), digest_size=16).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))


def _seed_kept_in(state_dir: Path, config_file: Path) -> str:
    kept = state_dir / "machine-uid"
    seed = _read_text(kept, MAX_PODINFO_BYTES).strip()
    if seed:
        return seed
    seed = secrets.token_hex(16)
    draft = state_dir / "machine-uid.tmp"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        with draft.open("w") as file:
            file.write(seed)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(kept)
    except OSError as error:
        reason = f"cannot keep this machine's uid in {state_dir} ({error.strerror})"
        raise ConfigError(f"{config_file}: state_dir: {reason}. Make the folder writable, or set POD_UID") from error
    return seed


def _read_text(path: Path, limit_bytes: int) -> str:
    """The text of a small file, "" where it cannot be read: what it would say is optional."""
    try:
        with path.open("rb") as file:
            return file.read(limit_bytes).decode(errors="replace")
    except OSError:
        return ""


class _WatchedFile:
    """A downward API file: kubelet replaces it as a whole, so a changed inode or time says that it is another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self.values: Mapping[str, str] = {}

    def refresh(self) -> bool:
        """Read it again where it has changed; True where it was. One that has vanished keeps its last values."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen == self._seen:
            return False
        self._seen = seen
        self.values = parse_podinfo(_read_text(self._path, MAX_PODINFO_BYTES))
        return True
