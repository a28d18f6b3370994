"""Options of `type: remote_write`.

Room: aggregator sinks. Never enters: the network, secrets themselves.
"""

import re
from collections.abc import Mapping
from typing import Annotated, get_args

import msgspec

from aggregator.core.series import Source
from towline.plumbing.address import check_url
from towline.plumbing.sizes import PositiveSeconds, Seconds

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_OWN_HEADERS = frozenset(
    {"authorization", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"}
)
_OWN_LABELS = frozenset({"namespace", "pod", "job", "instance"})


class BasicAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A user name, and the file that holds its password (read again when it changes)."""

    username: str
    password_file: str

    def __post_init__(self) -> None:
        if not self.username or ":" in self.username:
            raise ValueError("username: is empty or holds a colon. Write the user's name")
        if not self.password_file:
            raise ValueError("password_file: is empty. Name the file that holds the password")


class SigV4(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Requests signed for AWS. `region`: else the environment's AWS_REGION. Credentials: as those of a cloudwatch sink."""

    region: str = ""
    service: str = "aps"

    def __post_init__(self) -> None:
        if self.region and not _REGION.fullmatch(self.region):
            raise ValueError("region: is not the name of a region. Write it as in eu-west-1")
        if not self.service:
            raise ValueError("service: is empty. Write aps, or leave it out")


class RemoteWriteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who we are is said by one of `bearer_token_file`, `basic_auth` and `sigv4`, or by none.

    url: of the receiver, its path included. Without one nothing is built.
    headers: sent with each request (X-Scope-OrgID: the tenant).
    sources: `pod` (what pods measure of themselves), `scrape` (their endpoints), `dogstatsd`, `logs` (what rules count of lines).
    external_labels: added to each series that has no such label itself.
    job: the `job` of series that are not from a scraped endpoint; their `instance` is the pod's name.
    lanes: requests under way at a time; pods are spread over them.
    max_age_seconds: of a snapshot; older ones are not sent, as receivers do not take them.
    stale_after_seconds: the series of a pod that sent nothing for so long end; never before it missed four snapshots.
    metadata_seconds: how often metrics' types and helps are sent; 0 is never.
    """

    url: str = ""
    bearer_token_file: str = ""
    basic_auth: BasicAuth | None = None
    sigv4: SigV4 | None = None
    headers: Mapping[str, str] = {}
    sources: tuple[Source, ...] = get_args(Source)
    external_labels: Mapping[str, str] = {}
    job: str = "towline"
    lanes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    timeout_seconds: PositiveSeconds = 10.0
    max_age_seconds: PositiveSeconds = 3600.0
    stale_after_seconds: PositiveSeconds = 60.0
    metadata_seconds: Seconds = 60.0

    def __post_init__(self) -> None:
        if self.url:
            try:
                check_url(self.url)
            except ValueError as error:
                raise ValueError(f"url: {error}") from None
        given = [name for name in ("bearer_token_file", "basic_auth", "sigv4") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{given[1]}: stands beside {given[0]}. Keep one of the two")
        if not self.job:
            raise ValueError("job: is empty. Write a name, or leave it out")
        _check_headers(self.headers)
        _check_labels(self.external_labels)


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if name.lower() in _OWN_HEADERS:
            raise ValueError(
                f"headers: {name} is not free. Remove it; for Authorization use bearer_token_file, basic_auth or sigv4"
            )
        if not _HEADER.fullmatch(name) or not value.isprintable():
            raise ValueError("headers: holds what is no header. Write names of letters and -, values on one line")


def _check_labels(labels: Mapping[str, str]) -> None:
    for name, value in labels.items():
        if name in _OWN_LABELS:
            raise ValueError(f"external_labels: {name} is set for each series anyway. Remove it")
        if not _LABEL.fullmatch(name) or name.startswith("__"):
            raise ValueError("external_labels: holds what is no label. Use letters, digits and _, not __ in front")
        if not value:
            raise ValueError(f"external_labels: {name} is empty, which is no label. Write a value, or remove it")
