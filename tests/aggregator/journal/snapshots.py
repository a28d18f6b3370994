"""What tests of snapshots in the journal start from: a sink of metrics with a share, and bodies for it."""

from aggregator.core.records import Debt
from aggregator.journal import Custody, Share
from tests.aggregator.journal.world import MIB, take_all

METRICS = Debt("dd.metrics", "all")
HOUR = 3600.0


def shares(max_bytes=MIB, when_full="shed"):
    return {"main": Share("main", MIB), "dd.metrics": Share("dd.metrics", max_bytes, when_full)}


def custody(text=b"a snapshot", owed=(METRICS,), **more):
    return Custody(body=text, length=len(text), owed=owed, taken_unix_ns=5, **more)


async def owed(journal, debt=METRICS, uid="uid-1"):
    return await take_all(journal, debt, uid)
