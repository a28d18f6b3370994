"""A process that is killed at a moment of the journal's: what tests of crashes put before a real one."""


class KilledError(BaseException):
    """The process is no more."""


class MortalJournal:
    """A journal whose process is killed as it is about to settle for `dies_at`, or once a snapshot is in it (`dies_telling`)."""

    def __init__(self, journal):
        self._journal = journal
        self.dies_at, self.dies_telling = "", False

    def __getattr__(self, name):
        return getattr(self._journal, name)

    async def settle(self, settlements, dead, memo, sink):
        if sink == self.dies_at:
            raise KilledError
        await self._journal.settle(settlements, dead, memo, sink)

    async def snapshot(self, *said):
        answer = await self._journal.snapshot(*said)
        if self.dies_telling:
            raise KilledError
        return answer
