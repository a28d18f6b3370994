import socket
import subprocess
import sys

import pytest

from towline import __version__
from towline.cli.main import COMMANDS, main


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"towline {__version__}\n"


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert set(COMMANDS) <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize("arguments", [[], ["tow"], ["collector"], ["check"], ["aggregator", "--config"]])
def test_a_command_line_that_is_not_understood_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: towline" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["collector", "aggregator"])
@pytest.mark.parametrize("door", ["towline", "module"])
def test_a_wrong_configuration_stops_before_anything_starts(tmp_path, command, door):
    file = tmp_path / "f.yaml"
    file.write_text("what: ever\n")
    arguments = ["-m", command] if door == "module" else ["-m", "towline", command]
    done = run(*arguments, "--config", str(file))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"{file}: what: unknown key. ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "own"),
    [
        (
            "collector",
            "aggregator: {{url: 'http://127.0.0.1:9'}}\nstate_dir: {folder}/state\nlogs: [{{path: /no/*.log}}]\n",
        ),
        (
            "aggregator",
            "journal: {{path: {folder}/j/journal.db}}\nsinks: {{out: {{type: file, path: '{folder}/o'}}}}\n",
        ),
    ],
)
def test_a_port_that_is_taken_is_told_by_the_name_of_the_file_that_was_given(tmp_path, command, own):
    file = tmp_path / "given.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        file.write_text(own.format(folder=tmp_path) + f"http: {{listen: '{listen}'}}\n")
        done = run("-m", command, "--config", str(file))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"{file}: http.listen: {listen}: Address already in use. Free the port, or listen elsewhere"
    )


def test_a_wrong_collector_configuration_is_answered_without_loading_the_collector(tmp_path):
    code = (
        "import sys; from towline.cli.main import main; "
        f"code = main(['collector', '--config', '{tmp_path}/none.yaml']); "
        "print(code, sorted({'collector.app', 'towline.cli.up', 'aiohttp', 'rich', 'asyncio'} & set(sys.modules)))"
    )
    # asyncio is there for the exit codes' module; nothing else is.
    assert run("-c", code).stdout.strip() == "2 ['asyncio']"


def test_output_that_nobody_reads_any_more_is_no_error(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("aggregator: {url: 'http://a:1'}\n")
    pipe = f"{sys.executable} -m towline check {' '.join([str(file)] * 50)} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")
