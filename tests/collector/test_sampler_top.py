import subprocess
import sys

import pytest

from collector.sources.samplers.pod_metrics import PodMetrics

NOW = 1_800_000_000_000_000_000


def of_processes(metrics):
    families = metrics.sample(NOW)
    return {(f.name, s.labels["pid"]): s for f in families for s in f.samples if s.labels.get("scope") == "process"}


@pytest.fixture
def hungry():
    """A process with 100 MB and a name."""
    code = "x = bytearray(100_000_000); x[::4096] = b'x' * len(x[::4096]); print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.communicate(b"\n")


def test_processes_have_series_only_where_they_were_asked_for():
    assert of_processes(PodMetrics(())) == {}
    assert of_processes(PodMetrics((), top_processes=1)) != {}


def test_a_process_with_much_memory_is_among_them(hungry):
    found = of_processes(PodMetrics((), top_processes=20))  # other tests' processes are hungry, too
    resident = found["towline_process_resident_memory_bytes", str(hungry.pid)]
    assert resident.value > 100_000_000
    assert resident.labels["process"].startswith("python")
    assert ("towline_process_cpu_seconds_total", str(hungry.pid)) in found


def test_at_most_so_many_by_cpu_and_so_many_by_memory():
    found = of_processes(PodMetrics((), top_processes=2))
    assert len({pid for _, pid in found}) <= 4


def test_psutil_is_imported_only_where_processes_are_asked_for():
    code = (
        "import sys; from collector.sources.samplers.pod_metrics import PodMetrics; PodMetrics(()).sample(1);"
        "assert 'psutil' not in sys.modules; PodMetrics((), top_processes=1).sample(1); assert 'psutil' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
