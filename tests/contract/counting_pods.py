"""Pods that count: an app, and a collector's own cores that say what it counted. The arithmetic of what was said is done apart from them."""

import msgspec

from collector.core.gathered import Gathered
from collector.core.snapshot import SnapshotQueue
from collector.core.statsd import Limits, Table
from collector.core.statsd_gathering import Gathering
from tests.aggregator.forwarding import pod_of
from tests.contract.knowable import Seen
from towline.wire.block import Code
from towline.wire.codec import compress
from towline.wire.snapshot import Family, Sample, Scrape, SnapshotAnswer

ORDERS, PAGES = "shop.orders", "shop.pages"  # DogStatsD; the second one is sampled: one packet counts for four
REQUESTS = "app_requests_total"  # scraped
FORKS = "node_forks_total"  # read by a sampler
STATSD, APP = (ORDERS, PAGES), (REQUESTS, FORKS)
COUNTERS = (*STATSD, *APP)
_TEXT = "# TYPE app_requests_total counter\napp_requests_total {}\n"


class CountingPod:
    """`said[life, sequence]`: the values of each snapshot that was frozen, and when it was taken."""

    def __init__(self, name):
        self.name, self.pod = name, pod_of(name)
        self.said = {}
        self.life = 0
        self._app = dict.fromkeys(APP, 0.0)
        self._app_is_up = True
        self.restart_collector()

    def restart_collector(self):
        """What was not said is lost, as is a snapshot that is on its way."""
        self.life += 1
        self._table = Table(Limits())
        raw = msgspec.Raw(msgspec.msgpack.encode(self.pod))
        self._queue = SnapshotQueue(raw, str(self.life), 15.0, 1000)
        self._queue.join("j")
        self._statsd = {}
        self._gathered = ({}, 0.0)

    def restart_app(self):
        """DogStatsD does not notice."""
        self._app = dict.fromkeys(APP, 0.0)

    def count(self, number):
        self._table.take([b"shop.orders:%d|c\nshop.pages:%d|c|@0.25" % (number, number)], 0)
        for name, counted in zip(COUNTERS, (number, 4 * number), strict=False):
            self._statsd[name] = self._statsd.get(name, 0.0) + counted
        for name in APP:
            self._app[name] += number

    def gather(self, unix, *, app_answers=True, goodbye=False):
        gathering = Gathering(self._table, unix, int(unix * 1e9), fresh=self._queue.is_fresh)
        gathering.step(1000)
        read = (Sample({}, self._app[FORKS]),)
        measured = Family(name=FORKS, type="counter", help="", samples=read)
        said = gathering.result()
        self._queue.offer(
            Gathered(families=(measured, *said.families), scrapes=(self._scrape(unix, app_answers),)), int(unix * 1e9)
        )
        if goodbye:
            self._queue.say_goodbye()
        values = {**self._statsd, **self._app}
        if not app_answers:
            del values[REQUESTS]
        self._gathered = (values, unix)

    def freeze(self):
        """The snapshot in flight, which may be one that was in flight before; None where there is nothing to say."""
        request = self._queue.take()
        if request is not None:
            values, unix = self._gathered
            self.said.setdefault((self.life, request.sequence), (Seen(self.life, values, True, request.goodbye), unix))
        return request

    def taken(self, sequence):
        self._queue.answered(SnapshotAnswer(journal="j", code=int(Code.STORED), sequence=sequence))

    def _scrape(self, unix, answers):
        text = _TEXT.format(self._app[REQUESTS]).encode() if answers else b""
        return Scrape(
            labels={"job": "app", "instance": "localhost:8080"},
            scraped_unix_ns=int(unix * 1e9),
            duration_seconds=0.01,
            up=answers,
            error="" if answers else "refused",
            length=len(text),
            body=compress(text) if answers else b"",
        )
