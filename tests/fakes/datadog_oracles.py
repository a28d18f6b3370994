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
