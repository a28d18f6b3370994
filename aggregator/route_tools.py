"""What routes and rules name: parsers and multiline rules, the ready ones and those of the configuration; masks.

Room: aggregator, above core. Never enters: routes, lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aggregator.core.columns import MESSAGE
from aggregator.core.masks import Masks, own_mask, ready_mask
from aggregator.core.multiline import Joining
from aggregator.core.parser import Parser
from aggregator.core.parsing import FieldParsing, Parsing
from aggregator.core.plan import Parse, Step
from aggregator.core.route import Binding, Rule
from aggregator.core.wording import Worded
from aggregator.multiline_config import MultilineConfig, build_joining
from aggregator.parser_config import ParserConfig, build_parser, ready_parsers
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place, closest


@dataclass(frozen=True, slots=True)
class FieldParse:
    """The rule `parse`."""

    parsing: FieldParsing

    def bound(self, to: Binding) -> Step:  # noqa: ARG002 - the same for every stream
        return self.parsing


class Tools:
    """What is named here is made once, and shared by all that name it."""

    def __init__(self, parsers: Mapping[str, ParserConfig], multiline: Mapping[str, MultilineConfig]) -> None:
        self._configs = {**ready_parsers(), **parsers}
        self._multiline = multiline
        self._parsers: dict[str, Parser] = {}

    def parsing(self, names: Sequence[str], place: Place) -> Parse | None:
        """The parsers, of which the first that fits is taken; None where none is named. Raises ConfigError."""
        return Parsing([self._parser(name, place, keeps_text=True) for name in names]) if names else None

    def field_parsing(self, names: Sequence[str], field: str, place: Place, *, keep: bool) -> Rule:
        """The parsers over one field. Raises ConfigError."""
        if not names:
            raise ConfigError(place.says("names no parser. Name one, or a list of them"))
        parsers = [self._parser(name, place, keeps_text=field == MESSAGE) for name in names]
        return FieldParse(FieldParsing(field, parsers, keep=keep))

    def joining(self, names: Sequence[str], place: Place) -> Joining | None:
        """The rules that join lines; None where none is named. Raises ConfigError."""
        try:
            return build_joining(names, self._multiline) if names else None
        except ValueError as error:
            raise ConfigError(place.says(str(error))) from None

    def masks(self, ready: Sequence[str], own: tuple[str, str | None] | None, place: Place) -> Masks:
        """Ready masks by name, and a pattern with its replacement. Raises ConfigError."""
        try:
            masks = [ready_mask(name) for name in ready]
            if own is not None:
                masks.append(own_mask(own[0]) if own[1] is None else own_mask(own[0], own[1]))
        except ValueError as error:
            raise ConfigError(place.says(str(error))) from None
        return Masks(masks)

    def _parser(self, name: str, place: Place, *, keeps_text: bool) -> Parser:
        """`keeps_text`: what it takes apart stays as the event's message."""
        config = self._configs.get(name)
        if config is None:
            known = ", ".join(self._configs)
            raise ConfigError(
                place.says(f"no parser is named {name!r}.{closest(name, self._configs)} Use one of: {known}")
            )
        if name not in self._parsers:
            self._parsers[name] = build_parser(name, config)
        parser = self._parsers[name]
        return Worded(parser) if keeps_text and config.type != "json" else parser
