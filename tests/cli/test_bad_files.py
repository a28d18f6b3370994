"""Files that are no configurations: refused in one line, soon, before they do harm, whoever reads them."""

import pytest

from towline.cli.main import main
from towline.plumbing.yaml_file import MAX_DEPTH, MAX_FILE_BYTES, MAX_VALUES

LEVELS = 200_000
COMMANDS = {
    "check": ["check"],
    "test": ["test"],
    "explain": ["explain", "--line", "x"],
    "aggregator": ["aggregator", "--config"],
    "collector": ["collector", "--config"],
}
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]\n" for number in range(1, 10)
)
TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels. Flatten it"


def refused(command, file, capsys):
    assert main([*COMMANDS[command], str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line.removeprefix(f"{file}: ")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_yaml_bomb_is_refused_once_its_aliases_are_counted(tmp_path, capsys, command):
    file = tmp_path / "f.yaml"
    file.write_text(BOMB)
    assert refused(command, file, capsys) == f"holds more than {MAX_VALUES} values, aliases counted. Use fewer aliases"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/name:os.system", "!!python/object/new:os.mkdir"]
)
def test_a_tag_that_would_run_code_is_refused_and_runs_nothing(tmp_path, capsys, command, tag):
    file = tmp_path / "f.yaml"
    file.write_text(f'sinks: {tag} ["touch {tmp_path}/made"]\n')
    assert (
        refused(command, file, capsys)
        == f"sinks: has the tag {tag.replace('tag:yaml.org,2002:', '!!')}, which is not known here (line 1). Remove it"
    )
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_hundred_megabytes_are_refused_without_being_read(tmp_path, capsys, command):
    file = tmp_path / "f.yaml"
    with file.open("wb") as stream:
        stream.write(b"# a comment\n" * 1000)
        stream.truncate(100 << 20)
    assert refused(command, file, capsys) == f"is larger than {MAX_FILE_BYTES} bytes. Is it a configuration file?"


@pytest.mark.parametrize("command", ["check", "aggregator"])
@pytest.mark.parametrize("text", ["[" * LEVELS + "]" * LEVELS, "{a: " * LEVELS + "}" * LEVELS])
def test_two_hundred_thousand_levels_are_refused(tmp_path, capsys, command, text):
    file = tmp_path / "f.yaml"
    file.write_text(f"sinks: {text}\n")
    assert refused(command, file, capsys) == TOO_DEEP


def test_a_file_of_cases_is_refused_in_the_same_words(tmp_path, capsys):
    file, cases = tmp_path / "f.yaml", tmp_path / "f.test.yaml"
    file.write_text("sinks: {out: {type: file}}\n")
    cases.write_text(BOMB)
    assert main(["test", str(file)]) == 2
    assert (
        capsys.readouterr().err == f"{cases}: holds more than {MAX_VALUES} values, aliases counted. Use fewer aliases\n"
    )
