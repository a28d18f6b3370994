"""Rules that change fields: one function of an event's fields each, applied to the events that have what it asks for.

Room: aggregator core. Never enters: the options' spelling; texts (masks and cuts change those).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aggregator.core.columns import MESSAGE, said_by, texts_of
from aggregator.core.events import Fields
from aggregator.core.field_paths import with_value, without
from aggregator.core.log_fields import MISSING, field_of
from aggregator.core.match import Glob
from aggregator.core.plan import Step
from aggregator.core.records import Slice
from aggregator.core.route import Binding
from aggregator.core.template import Template

Change = Callable[[Fields], Fields]  # the very same mapping where nothing changes


@dataclass(frozen=True, slots=True)
class Changes:
    """A change of fields. `of_unparsed`: it is made to events without fields, too, whose text is their `message` then."""

    change: Change
    of_unparsed: bool = False

    def bound(self, to: Binding) -> Step:  # noqa: ARG002 - the same for every stream
        return self

    def apply(self, piece: Slice) -> Slice:
        before = piece.known_details()
        change, fields = self.change, list[Fields | None]()
        texts = texts_of(piece) if self.of_unparsed and any(one is None for one in before.fields) else None
        for index, one in enumerate(before.fields):
            if one is not None:
                fields.append(change(one))
            elif texts is not None:
                said = said_by(None, texts[index])
                changed = change(said)
                fields.append(None if changed is said else changed)
            else:
                fields.append(None)
        if all(one is other for one, other in zip(fields, before.fields, strict=True)):
            return piece
        return replace(piece, details=replace(before, fields=fields, is_source=False))


@dataclass(frozen=True, slots=True)
class Given:
    """Fields given to every event: `add` where they are not there, `set` whatever is there. Texts are templates of the pod's identity."""

    values: Mapping[str, Any]  # Template, or what is no text
    replaces: bool

    def bound(self, to: Binding) -> Step:
        given = {name: self._value(value, to) for name, value in self.values.items()}
        plain = not any("." in name for name in given)
        if self.replaces:
            return Changes((lambda fields: {**fields, **given}) if plain else _setting(given), of_unparsed=True)
        return Changes(_adding(given), of_unparsed=True)

    @staticmethod
    def _value(value: Any, to: Binding) -> Any:
        return value.render(to.pod, to.origin, to.replica, str) if isinstance(value, Template) else value


def _setting(given: Mapping[str, Any]) -> Change:
    def change(fields: Fields) -> Fields:
        for name, value in given.items():
            fields = with_value(fields, name, value)
        return fields

    return change


def _adding(given: Mapping[str, Any]) -> Change:
    names = given.keys()

    def change(fields: Fields) -> Fields:
        if names.isdisjoint(fields) and not any("." in name for name in names):
            return {**fields, **given}
        for name, value in given.items():
            if field_of(fields, name) is MISSING:
                fields = with_value(fields, name, value)
        return fields

    return change


def renaming(names: Mapping[str, str]) -> Change:
    """A field under another name, in the old one's stead; what stood there before is replaced."""

    def change(fields: Fields) -> Fields:
        for name, new in names.items():
            value = field_of(fields, name)
            if value is not MISSING and name != new:
                fields = with_value(without(fields, name), new, value)
        return fields

    return change


def copying(names: Mapping[str, str]) -> Change:
    def change(fields: Fields) -> Fields:
        for name, new in names.items():
            value = field_of(fields, name)
            if value is not MISSING and name != new:
                fields = with_value(fields, new, value)
        return fields

    return change


def removing(names: Sequence[str]) -> Change:
    """Without fields of these names, paths or globs."""
    exact, glob = _divided(names)

    def change(fields: Fields) -> Fields:
        for name in exact:
            fields = without(fields, name)
        if glob is not None and any(map(glob.matches, fields)):
            fields = {name: value for name, value in fields.items() if not glob.matches(name)}
        return fields

    return change


def leaving(names: Sequence[str]) -> Change:
    """With no other fields than these."""
    exact, glob = _divided(names)

    def change(fields: Fields) -> Fields:
        left: Fields = {
            name: value for name, value in fields.items() if name in exact or (glob is not None and glob.matches(name))
        }
        for name in exact:
            value = field_of(fields, name) if "." in name and name not in fields else MISSING
            if value is not MISSING:
                left = {**left, name: value}
        return fields if len(left) == len(fields) else left

    return change


def nesting(names: Sequence[str], under: str, remove_prefix: str) -> Change:
    """Fields moved into an object, beside what it holds already. `message` is moved only where it is named."""
    exact, glob = _divided(names)

    def change(fields: Fields) -> Fields:
        moved = {
            name: value
            for name, value in fields.items()
            if name != under and (name in exact or (glob is not None and name != MESSAGE and glob.matches(name)))
        }
        if not moved:
            return fields
        there = fields.get(under)
        inner = dict(there) if isinstance(there, Mapping) else {}
        inner |= {name.removeprefix(remove_prefix) or name: value for name, value in moved.items()}
        left = {name: value for name, value in fields.items() if name not in moved}
        return {**left, under: inner}

    return change


def lifting(field: str, prefix: str) -> Change:
    """The members of an object, in its stead."""

    def change(fields: Fields) -> Fields:
        inner = field_of(fields, field)
        if not isinstance(inner, Mapping):
            return fields
        return {**without(fields, field), **{f"{prefix}{name}": value for name, value in inner.items()}}

    return change


def _divided(names: Sequence[str]) -> tuple[frozenset[str], Glob | None]:
    """Names, and the globs among them."""
    globs = [name for name in names if any(char in name for char in "*?[")]
    return frozenset(names) - frozenset(globs), Glob(globs) if globs else None
