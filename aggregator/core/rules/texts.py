"""Rules that change what events say: masks, and cuts.

Room: aggregator core. Never enters: what a mask looks for, the options' spelling.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from aggregator.core.columns import MESSAGE, texts_of
from aggregator.core.events import CUT, Count, Details, Fields, Tally, Texts
from aggregator.core.field_paths import with_value
from aggregator.core.json_of import json_of
from aggregator.core.log_fields import MISSING, field_of
from aggregator.core.masks import Masks
from aggregator.core.plan import Step
from aggregator.core.records import Slice
from aggregator.core.route import Binding
from aggregator.core.text import TRUNCATION_MARK

LEAST_BYTES = 32  # that a cut may leave: the mark, and something to read


@dataclass(frozen=True, slots=True)
class Masked:
    """Masks over everything that an event says: its text and all of its fields."""

    masks: Masks

    def bound(self, to: Binding) -> Step:  # noqa: ARG002 - the same for every stream
        return self

    def apply(self, piece: Slice) -> Slice:
        texts = texts_of(piece)
        masked = self.masks.texts(texts)
        if piece.details is not None:
            piece = replace(piece, details=self._in_fields(piece.details, texts, masked))
        return piece if masked is texts else with_texts(piece, texts, masked)

    def _in_fields(self, details: Details, texts: Sequence[str], masked: Sequence[str]) -> Details:
        if details.is_source and masked is texts and not self._may_hide("\n".join(texts)):
            return details
        looked_at: Sequence[Fields | None] = details.fields
        if details.is_source:
            looked_at = [one if self._may_hide(text) else None for one, text in zip(looked_at, texts, strict=True)]
        found = self.masks.each(looked_at)
        fields = [one if other is None else other for one, other in zip(details.fields, found, strict=True)]
        if self.masks.ask_for_names:
            said = {
                index: self._said(details, index, texts[index]) for index, one in enumerate(found) if one is not None
            }
            self._mask_behind_names(details.fields, fields, said)
        return with_fields(details, fields)

    def _may_hide(self, text: str) -> bool:
        """Whether fields that were read from the text may hold something to mask: escapes hide it in the text."""
        return "\\" in text or self.masks.may_match(text)

    def _said(self, details: Details, index: int, text: str) -> str:
        return text if details.is_source and "\\" not in text else json_of(details.fields[index]).decode()

    def _mask_behind_names(
        self, before: Sequence[Fields | None], fields: list[Fields | None], said: Mapping[int, str]
    ) -> None:
        """A mask may look for a name and what stands behind it: no field alone says both, the JSON of all does (`said`)."""
        texts = list(said.values())
        for (index, text), masked in zip(said.items(), self.masks.texts(texts), strict=True):
            if masked == text:
                continue
            try:
                fields[index] = with_both(before[index], fields[index], orjson.loads(masked))
            except ValueError:  # what is left is no JSON, or of another shape
                left = json_of(fields[index]).decode()
                if self.masks.text(left) != left:
                    fields[index] = {MESSAGE: masked}


@dataclass(frozen=True, slots=True)
class MaskedFields:
    """Masks over some fields alone."""

    masks: Masks
    names: Sequence[str]

    def bound(self, to: Binding) -> Step:  # noqa: ARG002 - the same for every stream
        return self

    def apply(self, piece: Slice) -> Slice:
        details = piece.details
        if details is not None:
            fields = [one if one is None else self._masked(one) for one in details.fields]
            piece = replace(piece, details=with_fields(details, fields))
        if MESSAGE not in self.names:
            return piece
        texts = texts_of(piece)
        masked = self.masks.texts(texts)
        return piece if masked is texts else with_texts(piece, texts, masked)

    def _masked(self, fields: Fields) -> Fields:
        for name in self.names:
            value = field_of(fields, name)
            if value is MISSING:
                continue
            said = {name: value}
            masked = self.masks.fields(said)
            if masked is not said:
                fields = with_value(fields, name, masked[name])
        return fields


@dataclass(frozen=True, slots=True)
class Truncated:
    """A field, or the message, in at most `max_bytes` of UTF-8; one that is cut ends with a mark, and is noted."""

    max_bytes: int
    field: str
    label: str

    def bound(self, to: Binding) -> Step:  # noqa: ARG002 - the same for every stream
        return self

    def apply(self, piece: Slice) -> Slice:
        cuts = [index for index, length in enumerate(map(len, piece.lines)) if length > self.max_bytes]
        details = piece.known_details()
        fields, notes, lines = list(details.fields), list(details.notes), list(piece.lines)
        count = 0
        for index in cuts if details.is_source or piece.details is None else range(len(piece)):
            if self._cut(index, fields, lines):
                notes[index] = {**(notes[index] or {}), CUT: "bytes"}
                count += 1
        if not count:
            return piece
        tally = Tally(piece.tally)
        tally.note(Count("cut", self.label, "bytes"), count)
        made = replace(with_fields(details, fields), notes=notes)
        return replace(piece, lines=Texts(lines), ends=piece.known_ends(), details=made, tally=tally)

    def _cut(self, index: int, fields: list[Fields | None], lines: list[bytes]) -> bool:
        """Cut one event where it is too long; whether it was."""
        said = fields[index]
        if said is None:
            if self.field != MESSAGE or len(lines[index]) <= self.max_bytes:
                return False
            lines[index] = cut_text(lines[index].decode("utf-8", "replace"), self.max_bytes).encode()
            return True
        value = field_of(said, self.field)
        if not isinstance(value, str) or (made := cut_text(value, self.max_bytes)) is value:
            return False
        fields[index] = with_value(said, self.field, made)
        return True


def with_both(before: Any, alone: Any, together: Any) -> Any:
    """Values as a mask left them that saw each alone; where it found nothing, as one left them that saw all together. Names stay.

    Raises ValueError where they have not the same members.
    """
    if isinstance(before, dict | list) and (type(together) is not type(before) or len(together) != len(before)):
        raise ValueError("not of one shape")
    if isinstance(before, list):
        return [with_both(*values) for values in zip(before, alone, together, strict=True)]
    if isinstance(before, dict):
        columns = zip(before.values(), alone.values(), together.values(), strict=True)
        return {name: with_both(*values) for name, values in zip(before, columns, strict=True)}
    return together if alone == before else alone


def cut_text(text: str, max_bytes: int) -> str:
    """The same text where it fits; else its start with the mark behind it, cut between characters."""
    if len(text) * 4 <= max_bytes or len(raw := text.encode("utf-8", "replace")) <= max_bytes:
        return text
    return raw[: max_bytes - len(TRUNCATION_MARK)].decode(errors="ignore") + TRUNCATION_MARK


def with_texts(piece: Slice, before: Sequence[str], after: Sequence[str]) -> Slice:
    """The slice with those texts changed that are others now."""
    pairs = zip(piece.lines, before, after, strict=True)
    lines = Texts(line if old is new else new.encode() for line, old, new in pairs)
    details = piece.details and replace(piece.details, is_source=False)
    return replace(piece, lines=lines, ends=piece.known_ends(), details=details)


def with_fields(details: Details, fields: Sequence[Fields | None]) -> Details:
    """The columns with other fields; the same columns where none is another."""
    if all(one is other for one, other in zip(fields, details.fields, strict=True)):
        return details
    return replace(details, fields=fields, is_source=False)
