"""Rules 1 to 5 and 8 under hypothesis: the real cores against everything a network, an app and a power cord can do."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.model.world import LIVE, World

FATES = st.sampled_from(["ok", "ok", "ok", "lost", "reply_lost", "repeated", "late"])


class Protocol(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = World()

    @rule(count=st.integers(1, 6))
    def the_app_writes(self, count):
        self.world.write(LIVE, count)

    @rule()
    def the_collector_looks(self):
        self.world.now += 1.0
        self.world.look()

    @rule(fate=FATES)
    def the_collector_reads_and_sends(self, fate):
        self.world.read()
        self.world.exchange(fate)

    @rule(fate=FATES)
    def one_whole_round(self, fate):
        self.world.now += 1.0
        self.world.look()
        self.world.read()
        self.world.exchange(fate)

    @rule(peer=st.integers(0, 1), index=st.integers(0, 50))
    def a_destination_accepts(self, peer, index):
        self.world.deliver(peer, index)

    @precondition(lambda self: self.world.stray)
    @rule(index=st.integers(0, 50))
    def an_old_request_arrives_again(self, index):
        self.world.arrive_again(index)

    @precondition(lambda self: self.world.met)
    @rule()
    def the_checkpoint_is_saved(self):
        self.world.save()

    @rule(keep_checkpoint=st.booleans())
    def the_collector_is_killed(self, keep_checkpoint):
        self.world.crash(keep_checkpoint=keep_checkpoint)

    @precondition(lambda self: LIVE in self.world.disk.paths)
    @rule()
    def the_log_is_renamed(self):
        self.world.disk.rename(LIVE, self.world.next_name())

    @precondition(lambda self: LIVE in self.world.disk.paths)
    @rule()
    def the_log_is_truncated(self):
        self.world.truncate(LIVE)

    @precondition(lambda self: LIVE in self.world.disk.paths and self.world.disk.paths[LIVE].content)
    @rule()
    def the_log_is_copied_and_truncated(self):
        self.world.disk.copy(LIVE, self.world.next_name())
        self.world.truncate(LIVE)

    @precondition(lambda self: len(self.world.disk.paths) > 1)
    @rule(index=st.integers(0, 50))
    def an_old_log_is_unlinked(self, index):
        old = sorted(path for path in self.world.disk.paths if path != LIVE)
        self.world.unlink(old[index % len(old)]) if old else None

    @invariant()
    def delivered_is_never_above_stored(self):
        for stream in self.world.custody.streams.values():
            assert all(held.delivered <= held.stored for held in stream.held.values())

    def teardown(self):
        self.world.settle()
        self.world.judge()
        super().teardown()


class ProtocolWithJournalLoss(Protocol):
    @precondition(lambda self: self.world.met)
    @rule()
    def the_collector_fails_over(self):
        self.world.fail_over()
        self.world.now += 700

    @rule(peer=st.integers(0, 1))
    def a_journal_is_lost(self, peer):
        self.world.lose_journal(peer)
        self.world.now += 700


checked = settings(max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))

TestProtocol = Protocol.TestCase
TestProtocol.settings = checked
TestProtocolWithJournalLoss = ProtocolWithJournalLoss.TestCase
TestProtocolWithJournalLoss.settings = checked
