"""What every test lives under: real parts are there or skipped aloud, and nobody speaks to a metadata endpoint."""

import logging
import os
import shutil
import sys
import time

import pytest
import structlog
from hypothesis import HealthCheck, settings

REQUIRED = os.environ.get("TOWLINE_REQUIRE_REAL_PARTS") == "1"
LINK_LOCAL = ("169.254.", "fe80:", "fd00:ec2:")
_hits: list[str] = []


def _watch_connects(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple) and str(args[1][0]).lower().startswith(LINK_LOCAL):
        _hits.append(str(args[1][0]))


sys.addaudithook(_watch_connects)


@pytest.fixture(autouse=True)
def nobody_contacts_a_metadata_endpoint(request):
    _hits.clear()
    yield
    if _hits and "contacts_link_local" not in request.keywords:
        pytest.fail(f"connected to {_hits}: no code path ever contacts a link-local address")


@pytest.fixture(autouse=True)
def logs_are_configured_by_nobody():
    """Commands configure logs for their process, which here is that of the tests that come after."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def aggregator():
    """An aggregator that a collector believes, on a journal in memory; `listening` opens its door."""
    from tests.fakes.aggregator import Believed

    return Believed()


@pytest.fixture
def quiet_soon(monkeypatch):
    """A drain that takes a tenth of a second without news for quiet."""
    from collector import drain

    monkeypatch.setattr(drain, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(drain, "TURN_SECONDS", 0.01)


@pytest.fixture
async def ticking_pod(tmp_path, aggregator, quiet_soon):
    """A pod whose clock really ticks, with its collector, before `aggregator`."""
    from tests.fakes.aggregator import listening
    from tests.fakes.pod import collecting

    async with listening(aggregator) as port, collecting(tmp_path, port, clock=time.monotonic) as pod:
        yield pod


# A machine that is busy makes hypothesis slow; that says nothing of what is tested.
settings.register_profile("towline", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("towline")


def pytest_collection_modifyitems(items):
    for item in items:
        for marker in item.iter_markers("needs"):
            missing = [name for name in marker.args if shutil.which(name) is None]
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"real part not on this machine: {', '.join(missing)}"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and TOWLINE_REQUIRE_REAL_PARTS is 1: {report.longrepr}"
