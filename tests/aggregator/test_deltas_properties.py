"""Whatever of an app and a collector can be seen at a time: nothing is counted that was not counted here, and what can be known is exact."""

from collections import defaultdict

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.core.book import book_of, text_of
from aggregator.core.deltas import advance
from aggregator.core.joining import Join
from aggregator.core.opening import OpenLimits, open_snapshot
from towline.wire.identity import Pod
from towline.wire.snapshot import Family, Sample, Scrape, SnapshotRequest

POD = Pod(namespace="shop", name="web-1", uid="u")
APP = {"job": "web", "instance": "10.0.0.1:8080"}
OUTCOMES = ("up", "up", "timed_out", "status_500")
PLENTY, SCARCE = 1000, 6  # three of them say how a scrape went

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ("both", "both", "hits", "own", "nothing", "app_restart", "app_stop", "new_run", "elsewhere", "elsewhere")
        ),
        st.integers(0, 2),  # the series that counts
        st.sampled_from(OUTCOMES),
        st.sampled_from((PLENTY, PLENTY, SCARCE)),
    ),
    min_size=1,
    max_size=30,
)


class Life:
    """One pod at one sink: what it says, what becomes of it, and by a plain reckoning what of it was counted here."""

    def __init__(self):
        self.app, self.own = {}, {}  # as they stand; a series that never counted is not there
        self.is_there = True
        self.state, self.join = None, Join.BEGINS
        self.pending = defaultdict(float)  # since the last snapshot that was taken here
        self.here, self.sent = defaultdict(float), defaultdict(float)
        self.last = {}  # of the app's series in the last snapshot
        self.was_elsewhere = False

    def live(self, word, series):
        name = f"s{series}"
        if word in {"hits", "both", "elsewhere"} and self.is_there:
            self.app[name] = self.app.get(name, 0) + 3
            self.pending["app", name] += 3
        if word in {"own", "both", "elsewhere"}:
            self.own[name] = self.own.get(name, 0) + 2
            self.pending["own", name] += 2
        if word in {"app_restart", "app_stop"}:
            self.app, self.last, self.is_there = {}, {}, word == "app_restart"
        if word == "new_run":
            # Said before it leaves.
            self.say("up", PLENTY)
            self.own, self.join = {}, Join.NEW_RUN
        if word == "elsewhere":
            self.join, self.was_elsewhere = Join.UNKNOWN, True

    def request(self, outcome):
        text = "# TYPE hits_total counter\n" + "".join(
            f'hits_total{{at="{name}"}} {value}\n' for name, value in self.app.items()
        )
        scrape = Scrape(labels=APP, scraped_unix_ns=0, duration_seconds=0.1, error="" if outcome == "up" else outcome)
        if outcome == "up":
            body = text.encode()
            scrape = msgspec.structs.replace(scrape, up=True, codec="none", length=len(body), body=body)
        own = tuple(Sample({"at": name}, value) for name, value in self.own.items())
        family = Family(name="own", type="counter", help="", source="dogstatsd", from_zero=True, samples=own)
        return SnapshotRequest(
            journal="j",
            pod=msgspec.Raw(b""),
            run="r",
            sequence=1,
            taken_unix_ns=0,
            interval_seconds=15.0,
            families=(family,),
            scrapes=(scrape,),
        )

    def say(self, outcome, room):
        outcome = outcome if self.is_there else "refused"
        opened = open_snapshot(POD, self.request(outcome), OpenLimits(max_series=room))
        deltas, book = advance(book_of(self.state), opened, self.join)
        self.state = text_of(book)
        self.reckon()
        visible = {}
        for family, counts in zip(opened.families, deltas.rows, strict=True):
            for row, delta in zip(family.rows, counts, strict=False):
                name = row.labels.partition('at="')[2].partition('"')[0]
                source = "app" if family.name == "hits_total" else "own"
                self.sent[source, name] += delta or 0
                if source == "app":
                    visible[name] = float(row.value)
                    if name in self.last and self.join in {Join.SAME_RUN, Join.NEW_RUN}:
                        assert delta == visible[name] - self.last[name]
        self.last = visible
        self.join = Join.SAME_RUN
        for key, sent in self.sent.items():
            assert sent <= self.here[key]

    def reckon(self):
        for (source, name), count in self.pending.items():
            is_known = self.join is not Join.UNKNOWN and (source == "own" or self.join is not Join.BEGINS)
            self.here[source, name] += count if is_known else 0
        self.pending.clear()


@settings(max_examples=300, deadline=None)
@given(steps)
def test_no_more_is_sent_than_was_counted_here_and_what_is_seen_twice_is_exact(story):
    life = Life()
    for word, series, outcome, room in story:
        life.live(word, series)
        life.say(outcome, room)
    life.say("up", PLENTY)
    if (
        not life.was_elsewhere
    ):  # what began with a run that was all taken here is known whole, whatever was refused meanwhile
        own = {key: count for key, count in life.here.items() if key[0] == "own" and count}
        assert {key: count for key, count in life.sent.items() if key[0] == "own" and count} == own
