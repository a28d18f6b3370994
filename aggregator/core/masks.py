"""Masks: what nobody is to read, replaced in texts and fields before they leave.

Room: aggregator core. Never enters: the options' spelling, rules.

Many texts are joined and looked at as one. RE2 says within a millisecond or two for each megabyte whether a mask has anything to do there at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aggregator.core.mask_patterns import READY, Kind
from aggregator.core.regex.wide import compiled, encoded
from aggregator.core.regexes import Regex, compile_regex

Fields = Mapping[str, Any]
# What may stand between texts that are looked at together: no ready mask matches one. The first that no text holds is taken.
_SEPARATORS = ("\n", "\x7f", "\x1e")
_BEHIND_NAMES = frozenset(("aws_key",))
_NUMBERS = frozenset((int, float))
_MAX_PASSES = 50  # over one text, as long as each masks something


@dataclass(frozen=True, slots=True)
class Mask:
    """Ready or one's own. sign: RE2, without which no text holds a match; "" where a text can only be looked at alone."""

    name: str
    replacement: str
    sign: str
    kind: Kind | None = None
    regex: Regex | None = None

    def applied(self, whole: str, separator: str) -> str:
        """The text, or the texts between separators, with every match replaced; the same object if there is none."""
        if self.kind is not None:
            return self._ready(whole, self.kind)
        regex = self.regex
        if regex is None or (self.sign and not regex.may_be_in(encoded(whole))):
            return whole
        texts = whole.split(separator) if separator else [whole]
        masked = [regex.sub(self.replacement, text) if regex.search(text) else text for text in texts]
        return whole if masked == texts else separator.join(masked)

    def _ready(self, whole: str, kind: Kind) -> str:
        made, at = [], 0
        for begin, end in kind.spans(whole, whole.encode("ascii", "replace")):
            made += [whole[at:begin], self.replacement]
            at = end
        return "".join([*made, whole[at:]]) if made else whole


def ready_mask(name: str) -> Mask:
    """Raises ValueError."""
    kind = READY.get(name)
    if kind is None:
        raise ValueError(f"there is no mask '{name}'. Use one of: {', '.join(sorted(READY))}; or a pattern of your own")
    return Mask(name, f"[{name.upper()}]", kind.sign, kind=kind)


def own_mask(pattern: str, replacement: str = "[MASKED]") -> Mask:
    r"""`replacement` may refer to groups of the pattern: \1, \\g<name>. Raises ValueError."""
    regex = compile_regex(pattern)
    if regex.least_chars == 0:
        raise ValueError(
            "the pattern also matches where nothing stands. Let it ask for one character at least: + instead of *"
        )
    fault = regex.fault_of(replacement)
    if fault:
        raise ValueError(fault)
    return Mask(pattern, replacement, regex.wide_text, regex=regex)


class Masks:
    """Several masks, one after the other. What none of them changes is the very same object. Safe to use from several threads."""

    def __init__(self, masks: Sequence[Mask]) -> None:
        # An IPv6 address may end like an IPv4 one: it is looked for first.
        self._masks = tuple(sorted(masks, key=lambda mask: mask.name == "ipv4" and mask.kind is not None))
        self._ready = tuple(mask for mask in self._masks if mask.kind is not None)
        # Whether what stands behind a name may be found that is not found alone.
        self.ask_for_names = any(mask.kind is None or mask.name in _BEHIND_NAMES for mask in masks)
        signs = [mask.sign for mask in masks]
        self._finder = compiled("|".join(f"(?:{sign})" for sign in signs), captures=False) if all(signs) else None
        self._separators = tuple(one for one in _SEPARATORS if not any(one in mask.replacement for mask in masks))

    def may_match(self, text: str) -> bool:
        """False if there is nothing to mask in the text, nor in any part of it."""
        return self._finder is None or self._finder.search(encoded(text)) is not None

    def text(self, text: str) -> str:
        return self._whole(text, "")

    def texts(self, texts: Sequence[str]) -> Sequence[str]:
        """Each text, masked as if it stood alone."""
        for separator in self._separators:
            whole = separator.join(texts)
            if whole.count(separator) == len(texts) - 1:
                masked = self._whole(whole, separator)
                if masked is whole:
                    return texts
                pairs = zip(texts, masked.split(separator), strict=True)
                return [old if old == new else new for old, new in pairs]
        alone = [self._whole(text, "") for text in texts]
        return alone if any(old is not new for old, new in zip(texts, alone, strict=True)) else texts

    def fields(self, fields: Fields) -> Fields:
        """Every text in them, however deep, and every number that a mask finds something in; names are no texts."""
        return self.each([fields])[0] or fields

    def each(self, several: Sequence[Fields | None]) -> Sequence[Fields | None]:
        """`fields` of each, None left alone: much cheaper for many at a time."""
        found = [list(_texts_in(fields)) for fields in several]
        texts = [text for one in found for text in one]
        masked = self.texts(texts)
        if masked is texts:
            return several
        made, at = list(several), 0
        for index, old in enumerate(found):
            new, at = masked[at : at + len(old)], at + len(old)
            if any(one is not other for one, other in zip(old, new, strict=True)):
                made[index] = _with_texts(several[index], iter(new))
        return made

    def _whole(self, whole: str, separator: str) -> str:
        masks: Sequence[Mask] = self._masks
        for _ in range(_MAX_PASSES):
            if not self.may_match(whole):
                break
            before = whole
            for mask in masks:
                whole = mask.applied(whole, separator)
            if whole is before:
                break
            # What stood beside a match may be one now: `1.2.3.4` behind a card number and a dot. An own mask may find its own replacement: once is enough.
            masks = self._ready
        return whole


def _texts_in(fields: Fields | None) -> Iterator[str]:
    """Texts in mappings and lists, in an order that `_with_texts` repeats. No recursion: fields may be nested deeper than Python calls."""
    left: list[Any] = [fields]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif type(value) in _NUMBERS:  # JSON has card numbers without quotes, too
            yield str(value)
        elif isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            left.extend(value)


def _with_texts(fields: Fields | None, texts: Iterator[str]) -> Any:
    """A copy with other texts."""
    copy: list[Any] = [fields]
    left: list[tuple[Any, Any]] = [(copy, 0)]
    while left:
        holder, at = left.pop()
        value = holder[at]
        if isinstance(value, str):
            holder[at] = next(texts)
        elif type(value) in _NUMBERS:
            holder[at] = value if (text := next(texts)) == str(value) else text
        elif isinstance(value, Mapping):
            made = holder[at] = dict(value)
            left.extend((made, name) for name in made)
        elif isinstance(value, list | tuple):
            items = holder[at] = list(value)
            left.extend((items, place) for place in range(len(items)))
    return copy[0]
