"""What every end-to-end test stands on; where one fails, the ends of its processes' logs are in the report."""

import pytest

from tests.e2e.scratch import Backstage, Stage

LOG_END_CHARACTERS = 3000


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path)
    with made.stack:
        yield made


@pytest.fixture
def backstage():
    with Backstage() as thread:
        yield thread


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.failed and stage is not None:
        for log in sorted(stage.folder.rglob("*.log")):
            if log.parent != stage.logs and log.stat().st_size:
                report.sections.append((str(log), log.read_text(errors="replace")[-LOG_END_CHARACTERS:]))
