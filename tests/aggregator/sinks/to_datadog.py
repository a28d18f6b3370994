"""A Datadog sink under test, and what is sent through it."""

from aggregator.sinks.datadog.config import DatadogConfig
from aggregator.sinks.datadog.sink import DatadogSink
from tests.aggregator.pointing import Scene
from tests.aggregator.sinks.batches import surroundings
from tests.fakes.datadog_intake import DatadogIntake


def sink_to(intake, session, key_file, **options):
    config = DatadogConfig(logs_url=intake.url, api_url=intake.url, api_key_file=str(key_file), **options)
    return DatadogSink.build(config, surroundings(session))


async def send(sink, batch):
    return await sink.send(batch, sink.encode(batch))


class MetricsStage:
    """A sink, its intake and its forwarder, with one clock for all."""

    def __init__(self, folder, session, options, **sink):
        self.intake = DatadogIntake(options, wall_clock_ns=lambda: int(self.scene.now_unix * 1e9))
        self.folder, self.session, self.sink_options = folder, session, sink
        self.scene = None

    async def __aenter__(self):
        await self.intake.__aenter__()
        (self.folder / "key").write_text(self.intake.api_key)
        config = DatadogConfig(
            logs_url=self.intake.url,
            api_url=self.intake.url,
            api_key_file=str(self.folder / "key"),
            **{"timeout_seconds": 2.0, **self.sink_options},
        )
        self.sink = DatadogSink.build(config, surroundings(self.session)).metrics
        self.scene = Scene(self.folder, self.sink)
        return self

    async def __aexit__(self, *exc):
        await self.scene.journal.close()
        await self.intake.__aexit__(*exc)

    async def tell(self, teller, values, **more):
        self.scene.now_unix = max(self.scene.now_unix, teller.unix + 16)
        await self.scene.tell(teller, values, **more)

    async def deliver(self):
        return await self.scene.deliver_all()

    @property
    def statuses(self):
        return [one.status for one in self.intake.requests if one.method == "POST"]

    def entries(self, kind="series"):
        return [one.entry for one in self.intake.taken[kind]]
