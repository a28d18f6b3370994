"""What every part of a conversion shares.

Room: fluent_bit. Never enters: sections.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from towline.fluent_bit.keys import Keys
from towline.fluent_bit.model import Section
from towline.fluent_bit.multiline import Joins
from towline.fluent_bit.names import field_of
from towline.fluent_bit.parsers import Parsers
from towline.fluent_bit.patterns import Patterns
from towline.fluent_bit.report import Report
from towline.fluent_bit.variables import Variables

Rule = dict[str, object]

# What the kubernetes filter would have asked the API for, and what says it here.
OF_POD: Mapping[str, str] = {
    "pod_name": "{pod}",
    "namespace_name": "{namespace}",
    "pod_id": "{uid}",
    "host": "{node}",
}


@dataclass(frozen=True, slots=True)
class Context:
    """`line_keys`: what the line itself is called in this configuration; `knows_pod`: it has a kubernetes filter.

    `lines_in_fields`: whether a field may hold several lines, as JSON's texts do.
    """

    report: Report
    variables: Variables
    patterns: Patterns
    parsers: Parsers
    joins: Joins
    line_keys: frozenset[str]
    knows_pod: bool = False
    lines_in_fields: bool = False

    def keys(self, section: Section) -> Keys:
        return Keys(section, self.report, self.variables)

    def field(self, key: str) -> str:
        """A field as our rules name it."""
        found = field_of(key)
        return field_of(found, found) if found in self.line_keys else found

    def pattern(self, text: str) -> str:
        """A regular expression that is asked of a field's value. Raises ValueError."""
        return self.patterns.ours(text, lines=self.lines_in_fields).pattern

    def asked_field(self, key: str) -> str:
        """As `field`, of one that decides what becomes of a record. Raises ValueError where nothing here would ever fill it."""
        found = self.field(key)
        first, _, rest = found.partition(".")
        if self.knows_pod and first == "kubernetes" and rest not in OF_POD:
            raise ValueError(
                f"asks for {found}, and Towline puts only {', '.join(OF_POD)} there. Use `match` of a route, which knows labels"
            )
        return found
