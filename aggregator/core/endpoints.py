"""Of which of a pod's endpoints a snapshot shows all series, so that one which comes later is new.

Room: aggregator core. Never enters: values, texts, books (deltas.py asks what is said here).

A scrape that failed shows nothing, and that nobody listened shows all: there was nothing that counted. Where series are refused, it is known
of which families.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from aggregator.core.series import Row, SeriesFamily
from towline.wire.snapshot import Scrape

NOT_SCRAPED = ""  # stands for the endpoint of what the pod measured and DogStatsD counted
ANY_FAMILY = ""

_NOBODY_LISTENS = "refused"  # Scrape.error
# A series that is refused for one of these may be there next time. The others lie in the series itself, or it is there already.
_PASSING = ("series_cap", "type_differs", "histogram", "value")
# A quote within a value is escaped, so nothing within a value looks like this.
_OWN = re.compile(r'(?:^|[{,])((?:instance|job)="(?:[^"\\]|\\.)*+")')


def endpoint_of(labels: str) -> str:
    """Who exposed a scraped series, by its labels as in Row, or by its key in a book: its `instance` and `job`, which only the collector sets."""
    return ",".join(_OWN.findall(labels))


class Endpoints:
    """Notes what a snapshot shows while it is opened. `refused` counts what it does not."""

    def __init__(self, refused: Counter[str]) -> None:
        self._refused = refused
        self._total = self._passing = 0
        self._seen: dict[str, set[str]] = {NOT_SCRAPED: set()}
        self._failed: set[str] = set()

    def seen(self) -> Mapping[str, frozenset[str]]:
        """As `Opened.seen` has it. Of two endpoints with one name, nothing is certain where one of them failed."""
        return {
            endpoint: frozenset({ANY_FAMILY} if endpoint in self._failed else families)
            for endpoint, families in self._seen.items()
        }

    def note_scrape(self, scrape: Scrape, own: str, *, is_up: bool) -> None:
        """One endpoint was asked. `own`: the labels of each of its series, as in Row."""
        if is_up or (not scrape.up and scrape.error == _NOBODY_LISTENS):
            self._seen.setdefault(endpoint_of(own), set())
        else:
            self._failed.add(endpoint_of(own))

    def note_text(self, own: str, families: Iterable[tuple[SeriesFamily, object]], refused: Counter[str]) -> None:
        """Its text was read, and that was refused of it. What goes nowhere because of a TYPE line will do so next time."""
        if refused["series_cap"]:  # it was not read to its end
            self._seen.setdefault(endpoint_of(own), set()).add(ANY_FAMILY)
        elif refused["histogram"]:
            names = {header.name for header, _ in families if header.kind == "histogram"}
            self._seen.setdefault(endpoint_of(own), set()).update(names)

    def skip(self) -> None:
        """What was refused until now is noted, or no matter."""
        self._grows()

    def note_family(self, name: str, rows: list[Row] | None = None) -> None:
        """A family was added; `rows`, where it was scraped. If something of it was refused just now, it is known only in part."""
        if self._grows():
            endpoint = endpoint_of(rows[0].labels) if rows else NOT_SCRAPED
            self._seen.setdefault(endpoint, set()).add(name)

    def _grows(self) -> bool:
        """Whether more was refused that may be there next time. The total tells quickly where nothing was."""
        total = self._refused.total()
        if total == self._total:
            return False
        before, self._total = self._passing, total
        self._passing = sum([self._refused[reason] for reason in _PASSING])
        return self._passing > before
