"""Regular expressions of a configuration in our words, and whether the aggregator would take them: said of the key where they stand.

Room: fluent_bit. Never enters: the aggregator (its check is passed in), what a pattern is for.
"""

from collections.abc import Callable
from dataclasses import dataclass

from towline.fluent_bit.onigmo import Translated, translate
from towline.fluent_bit.variables import Variables

Check = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Patterns:
    """`check` raises ValueError, which says what is wrong and what to do; None: nobody here can tell."""

    variables: Variables
    check: Check | None = None

    def ours(self, text: str, *, lines: bool = False) -> Translated:
        """As our YAML takes it. `lines`: what is searched may hold several. Raises ValueError."""
        made = translate(text, lines=lines)
        if self.check is not None and self.variables.is_plain(text):
            self.check(self.variables.now(made.pattern))
        return made._replace(pattern=self.variables.later(made.pattern))
