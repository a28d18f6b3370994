"""Options of `type: cloudwatch`, and the names that lines go to.

Room: aggregator sinks, pure. Never enters: the network. Rules for names: CreateLogGroup, CreateLogStream.
"""

import re

import msgspec

from aggregator.core.template import Template, shorten
from towline.plumbing.address import check_url
from towline.plumbing.sizes import PositiveSeconds
from towline.wire.identity import Origin, Pod

RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096),
    *(1827, 2192, 2557, 2922, 3288, 3653),
)
MAX_NAME_CHARS = 512
_NOT_IN_A_VALUE = re.compile(r"[^A-Za-z0-9._#-]")  # narrower than what is allowed: a value makes no `/` of its own
_GROUP_TEXT = re.compile(r"[A-Za-z0-9._/#-]*")
_STREAM_TEXT = re.compile(r"[^:*\x00-\x1f\x7f-\U0010ffff]*")
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


class CloudWatchConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`region`: else the environment's AWS_REGION. Credentials: IRSA (web identity) or the environment, as the AWS SDKs read them.

    `create`: make log groups and streams that do not exist; `retention_days`: of the groups made here (0: kept for ever).
    """

    region: str = ""
    log_group: str = "/eks/{namespace}/{workload}"
    log_stream: str = "{workload}/{replica}"
    endpoint_url: str = ""
    create: bool = True
    retention_days: int = 0
    timeout_seconds: PositiveSeconds = 10.0

    def __post_init__(self) -> None:
        if self.region and not _REGION.fullmatch(self.region):
            raise ValueError("region: is not the name of a region. Write it as in eu-west-1")
        if self.endpoint_url:
            try:
                check_url(self.endpoint_url)
            except ValueError as error:
                raise ValueError(f"endpoint_url: {error}") from None
        if self.retention_days and self.retention_days not in RETENTION_DAYS:
            raise ValueError(
                f"retention_days: {self.retention_days} is not allowed. Use one of: {_list(RETENTION_DAYS)}"
            )
        _check_name("log_group", self.log_group, _GROUP_TEXT, "letters, digits and . _ - / #")
        _check_name("log_stream", self.log_stream, _STREAM_TEXT, "ASCII without : and *")
        if self.log_group.startswith("aws/"):
            raise ValueError("log_group: starts with aws/, which AWS keeps for itself. Choose another beginning")


class Names:
    """(pod, origin) to log group and log stream, always within CloudWatch's rules."""

    def __init__(self, config: CloudWatchConfig, replica: str) -> None:
        self._group = Template(config.log_group)
        self._stream = Template(config.log_stream)
        self._replica = replica

    def group(self, pod: Pod, origin: Origin) -> str:
        return shorten(self._group.render(pod, origin, self._replica, safe_value), MAX_NAME_CHARS)

    def stream(self, pod: Pod, origin: Origin) -> str:
        return shorten(self._stream.render(pod, origin, self._replica, safe_value), MAX_NAME_CHARS)


def safe_value(value: str) -> str:
    """A value as part of a name: everything else than letters, digits and `. _ # -` becomes `_`."""
    return _NOT_IN_A_VALUE.sub("_", value)


def _check_name(key: str, text: str, allowed: re.Pattern[str], words: str) -> None:
    if not text:
        raise ValueError(f"{key}: is empty. Write a name, fields in braces")
    try:
        literals = Template(text).literals
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
    if not all(allowed.fullmatch(literal) for literal in literals):
        raise ValueError(f"{key}: holds characters that CloudWatch refuses. Use {words}")


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
