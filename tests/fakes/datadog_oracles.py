"""Two second opinions on a body for Datadog, both of Datadog's own making: its client's models and its OpenAPI document."""

from pathlib import Path
from typing import Any

import yaml
from openapi_schema_validator import OAS30Validator

from tests.fakes.strict import RefusedError


class OpenApiOracle:
    """Validates bodies against the schemas of one OpenAPI file."""

    def __init__(self, path: Path) -> None:
        document = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self._components = document["components"]

    def check(self, body: Any, schema: str) -> None:
        """RefusedError 400 where `body` breaks `#/components/schemas/<schema>`."""
        root = {"allOf": [{"$ref": f"#/components/schemas/{schema}"}], "components": self._components}
        for error in OAS30Validator(root).iter_errors(body):
            raise RefusedError(400, f"openapi: {schema}: {error.json_path}: {error.message[:200]}")


def check_with_client_models(entries: list[dict[str, Any]]) -> None:
    """Build the official client's model of every entry; raises its own exception for one that it would not send."""
    # Only this module: `datadog_api_client.v2.models` would load 8,653 of them (91 MB).
    from datadog_api_client.v2.model.http_log_item import HTTPLogItem

    for entry in entries:
        HTTPLogItem(**entry)


def check_metrics_with_client_models(kind: str, entries: list[dict[str, Any]]) -> None:
    """Read series, distributions, events or checks back as the official client's models; raises its own exception for what it would not send."""
    # Only these modules, as above.
    from datadog_api_client.configuration import Configuration
    from datadog_api_client.model_utils import validate_and_convert_types
    from datadog_api_client.v1.model.distribution_points_payload import DistributionPointsPayload
    from datadog_api_client.v1.model.event_create_request import EventCreateRequest
    from datadog_api_client.v1.model.service_checks import ServiceChecks
    from datadog_api_client.v2.model.metric_payload import MetricPayload

    bodies: dict[str, tuple[Any, list[Any]]] = {
        "series": (MetricPayload, [{"series": entries}]),
        "distributions": (DistributionPointsPayload, [{"series": entries}]),
        "events": (EventCreateRequest, entries),
        "checks": (ServiceChecks, [entries]),
    }
    model, given = bodies[kind]
    for body in given if entries else ():
        read = validate_and_convert_types(
            body, (model,), ["body"], True, True, configuration=Configuration(discard_unknown_keys=False)
        )
        if _is_unknown(read):
            raise AssertionError(f"the client does not know this as {kind}: {body}")


def _is_unknown(read: Any) -> bool:
    """True where the client kept something as it was, as it is none of what it knows."""
    from datadog_api_client.model_utils import ModelNormal, ModelSimple, UnparsedObject

    if isinstance(read, UnparsedObject) or getattr(read, "_unparsed", False):
        return True
    if isinstance(read, ModelNormal | ModelSimple):
        return any(map(_is_unknown, read._data_store.values()))
    return isinstance(read, list) and any(map(_is_unknown, read))
