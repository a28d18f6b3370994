"""Which families are on the page, under which one TYPE and HELP each, and every pod's block of lines in them.

Room: aggregator core. Never enters: who the pods are, how a line is written.
"""

from collections.abc import Iterator

import msgspec

from aggregator.core.exposition_lines import claimed_names, openmetrics_head, text_head
from aggregator.core.series import Kind, SeriesFamily

# Namespace and name: labels carry no uid, so a pod that comes back under its name takes its old place.
PodKey = tuple[str, str]


class _Shown(msgspec.Struct):
    """A family on the page: its first TYPE and HELP, as they stand above its lines in each format.

    said: kind, help and unit. openmetrics: the blocks of pods whose lines differ there; the others' are those of `text`.
    """

    kind: Kind
    said: tuple[Kind, str, str]
    text_head: bytes
    openmetrics_head: bytes
    text: dict[PodKey, bytes]
    openmetrics: dict[PodKey, bytes]


class FamilyTable:
    """The families, and every name that one of them takes in either format."""

    def __init__(self) -> None:
        self._families: dict[str, _Shown] = {}
        self._claims: dict[str, str] = {}

    def fits(self, name: str, kind: Kind) -> bool:
        """Whether a family may stand on the page: none of its names is another's, and if it is there already, then with this kind."""
        shown = self._families.get(name)
        if shown is not None:
            return shown.kind == kind
        return not any(claimed in self._claims for claimed in claimed_names(name, kind))

    def put(self, family: SeriesFamily, key: PodKey, text: bytes, openmetrics: bytes) -> None:
        """Show a pod's block of a family that fits; `openmetrics` is empty where it is the same there."""
        shown = self._families.get(family.name)
        if shown is None:
            shown = self._families[family.name] = _shown(family)
            for claimed in claimed_names(family.name, family.kind):
                self._claims[claimed] = family.name
        elif key in shown.text and len(shown.text) == 1 and shown.said != _said(family):
            self._families[family.name] = shown = _shown(
                family
            )  # nobody else shows it, so what is said first is said now
        shown.text[key] = text
        if openmetrics:
            shown.openmetrics[key] = openmetrics
        else:
            shown.openmetrics.pop(key, None)

    def kind(self, name: str) -> Kind:
        """Of a family that is there."""
        return self._families[name].kind

    def remove(self, name: str, key: PodKey) -> None:
        """Take a pod's block away, and with the last block the family."""
        shown = self._families[name]
        del shown.text[key]
        shown.openmetrics.pop(key, None)
        if not shown.text:
            del self._families[name]
            for claimed in claimed_names(name, shown.kind):
                del self._claims[claimed]

    def render(self, *, openmetrics: bool) -> Iterator[bytes]:
        """One chunk per family that is there now; one that leaves before its turn is left out, one that comes meanwhile too."""
        for shown in list(self._families.values()):
            if not shown.text:
                continue
            if not openmetrics:
                yield b"".join((shown.text_head, *shown.text.values()))
            elif not shown.openmetrics:
                yield b"".join((shown.openmetrics_head, *shown.text.values()))
            else:
                blocks = (shown.openmetrics.get(key, text) for key, text in shown.text.items())
                yield b"".join((shown.openmetrics_head, *blocks))


def _said(family: SeriesFamily) -> tuple[Kind, str, str]:
    return family.kind, family.help, family.unit


def _shown(family: SeriesFamily) -> _Shown:
    name, (kind, help_text, unit) = family.name, _said(family)
    return _Shown(
        kind=kind,
        said=(kind, help_text, unit),
        text_head=text_head(name, kind, help_text),
        openmetrics_head=openmetrics_head(name, kind, help_text, unit),
        text={},
        openmetrics={},
    )
