"""What events say, one value an event: their texts, their messages, a field of theirs.

Room: aggregator core. Never enters: rules, vendors.
"""

from collections.abc import Sequence

from aggregator.core.events import Fields
from aggregator.core.lines import Lines
from aggregator.core.log_fields import MISSING, field_of, text_of
from aggregator.core.records import Slice
from aggregator.core.text import decode_each

MESSAGE = "message"  # what a human reads of an event: the field of that name, or the text of one that has no fields


def texts_of(piece: Slice) -> list[str]:
    """Each event's text, decoded at once where nothing stands in the way; without its one trailing CR, as it is sent."""
    if not len(piece):
        return []
    if not isinstance(piece.lines, Lines):
        return decode_each(piece.lines)
    whole = piece.lines.text().decode("utf-8", "replace")
    texts = whole.split("\n")
    return [text.removesuffix("\r") for text in texts] if "\r" in whole else texts


def messages_of(piece: Slice) -> list[str]:
    """What a human reads of each event: its member `message`, else its whole text."""
    if piece.details is None:
        return texts_of(piece)
    said = [MISSING if fields is None else fields.get(MESSAGE, MISSING) for fields in piece.details.fields]
    if not any(one is MISSING for one in said):
        return [text_of(one) for one in said]
    return [text if one is MISSING else text_of(one) for one, text in zip(said, texts_of(piece), strict=True)]


def values_of(piece: Slice, field: str) -> Sequence[object]:
    """A field of each event by its name or path, MISSING where it is not there. `message` is what a human reads."""
    if field == MESSAGE:
        return messages_of(piece)
    if piece.details is None:
        return [MISSING] * len(piece)
    columns = piece.details.fields
    if "." in field:
        return [MISSING if fields is None else field_of(fields, field) for fields in columns]
    return [MISSING if fields is None else fields.get(field, MISSING) for fields in columns]


def said_by(fields: Fields | None, text: str) -> Fields:
    """All that an event says as fields: of one that nobody could parse, its text as `message`."""
    return {MESSAGE: text} if fields is None else fields
