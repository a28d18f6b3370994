"""What every AWS JSON service does before it looks at a request: Signature Version 4, verified here with hmac alone, and errors.

Source: the AWS General Reference, "Signature Version 4". Only the form that CloudWatch Logs takes: POST, path `/`, no query.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.fakes.script import Answer

JSON_TYPE = "application/x-amz-json-1.1"
MAX_SKEW_SECONDS = 300

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/, ]+)/(?P<scope>(?P<date>\d{8})/(?P<region>[^/, ]+)/(?P<service>[^/, ]+)/aws4_request),"
    r" ?SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_SERVER_FAULTS = {"ServiceUnavailableException": 500, "InternalFailure": 500, "ServiceUnavailable": 503}


class AwsRefusedError(Exception):
    """A refusal by its AWS name (`__type`)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


def aws_error(kind: str, message: str = "", status: int = 0) -> Answer:
    """The answer that carries an AWS error: 400, unless `kind` is the service's own fault; ThrottlingException is a 400, too."""
    body = json.dumps({"__type": kind, "message": message or kind})
    return Answer(status or _SERVER_FAULTS.get(kind, 400), {"Content-Type": JSON_TYPE}, body)


@dataclass(frozen=True)
class Credentials:
    """Who may sign."""

    access_key: str = "AKIATESTTESTTESTTEST"
    secret_key: str = "test-secret-key"
    session_token: str = ""


@dataclass(frozen=True)
class Scope:
    """Where a signature holds."""

    region: str = "eu-central-1"
    service: str = "logs"


def verify_signature(
    headers: Sequence[tuple[str, str]], body: bytes, credentials: Credentials, scope: Scope, now: datetime
) -> None:
    """AwsRefusedError where the request is not signed by `credentials` for `scope` within five minutes of `now`."""
    values = _by_name(headers)
    if "authorization" not in values:
        raise AwsRefusedError("MissingAuthenticationTokenException", "Missing Authentication Token")
    found = _AUTHORIZATION.fullmatch(values["authorization"])
    if found is None:
        raise AwsRefusedError("IncompleteSignatureException", "the Authorization header is not well-formed")
    _check_scope(found, scope)
    _check_identity(found["key"], values, credentials)
    _check_date(values.get("x-amz-date", ""), found["date"], now)
    signed = found["signed"].split(";")
    _check_signed_headers(signed, values)
    canonical = _canonical_request(signed, values, body)
    expected = _sign(canonical, values["x-amz-date"], found["scope"], credentials.secret_key)
    if not hmac.compare_digest(expected, found["signature"]):
        raise AwsRefusedError("InvalidSignatureException", "the signature does not match the request")


def _by_name(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Lower-case names; blanks folded; repeated headers joined by a comma, as the canonical form wants them."""
    values: dict[str, str] = {}
    for name, value in headers:
        folded = " ".join(value.split())
        lower = name.lower()
        values[lower] = f"{values[lower]},{folded}" if lower in values else folded
    return values


def _check_scope(found: re.Match[str], scope: Scope) -> None:
    if (found["region"], found["service"]) != (scope.region, scope.service):
        raise AwsRefusedError(
            "InvalidSignatureException", f"Credential should be scoped to {scope.region}/{scope.service}"
        )


def _check_identity(access_key: str, values: Mapping[str, str], credentials: Credentials) -> None:
    if access_key != credentials.access_key:
        raise AwsRefusedError("UnrecognizedClientException", "The security token included in the request is invalid")
    if values.get("x-amz-security-token", "") != credentials.session_token:
        raise AwsRefusedError("ExpiredTokenException", "The security token included in the request is expired")


def _check_date(stamp: str, day: str, now: datetime) -> None:
    try:
        moment = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise AwsRefusedError("IncompleteSignatureException", "X-Amz-Date is missing or not ISO 8601 basic") from error
    if not stamp.startswith(day):
        raise AwsRefusedError("InvalidSignatureException", "the credential's date is not the request's")
    if abs((moment - now).total_seconds()) > MAX_SKEW_SECONDS:
        raise AwsRefusedError("InvalidSignatureException", "Signature expired, or not yet current")


def _check_signed_headers(signed: list[str], values: Mapping[str, str]) -> None:
    must = {"host"} | {name for name in values if name.startswith("x-amz-")}
    if signed != sorted(set(signed)) or not must <= set(signed) <= set(values):
        raise AwsRefusedError("InvalidSignatureException", f"SignedHeaders must be sorted and hold {sorted(must)}")


def _canonical_request(signed: list[str], values: Mapping[str, str], body: bytes) -> str:
    digest = hashlib.sha256(body).hexdigest()
    if values.get("x-amz-content-sha256", digest) != digest:
        raise AwsRefusedError("InvalidSignatureException", "X-Amz-Content-Sha256 is not the body's")
    lines = [f"{name}:{values[name]}\n" for name in signed]
    return f"POST\n/\n\n{''.join(lines)}\n{';'.join(signed)}\n{digest}"


def _sign(canonical: str, stamp: str, scope: str, secret_key: str) -> str:
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, to_sign.encode(), "sha256").hexdigest()
