"""What rules are counted as: their names, else the route's and their number in it.

Room: aggregator, above route_config. Never enters: what rules do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aggregator.route_config import RouteConfig


def labels_of(routes: Sequence[RouteConfig]) -> list[str]:
    """What all rules are counted as."""
    return [
        label_of(values, route.name or str(index), number)
        for index, route in enumerate(routes)
        for number, values in enumerate(route.rules)
    ]


def label_of(values: Any, route: str, number: int) -> str:
    """What one rule is counted as."""
    name = values.get("name") if isinstance(values, Mapping) else None
    return str(name or f"{route}.{number}")
