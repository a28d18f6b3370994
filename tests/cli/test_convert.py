import argparse

import pytest

from tests.e2e.procs import ROOT
from towline.cli import convert
from towline.cli.check import check

FIXTURES = ROOT / "tests" / "fixtures" / "fluent_bit"


def run(*arguments):
    parser = argparse.ArgumentParser()
    convert.add_parser(parser.add_subparsers())
    args = parser.parse_args(["convert", *map(str, arguments)])
    return args.run(args)


def test_both_files_and_a_report_are_written_and_good(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DD_API_KEY", "key")
    out = tmp_path / "new" / "folder"
    assert run(FIXTURES / "classic" / "fluent-bit.conf", "-o", out) == 0
    said = capsys.readouterr()
    assert "honoured" in said.out
    assert sorted(file.name for file in out.iterdir()) == ["aggregator.yaml", "collector.yaml", "report.txt"]
    assert (out / "report.txt").read_text() in said.out
    for name in ("collector.yaml", "aggregator.yaml"):
        assert check(out / name, {"DD_API_KEY": "key"}).problems(strict=True) == []


def test_without_a_folder_only_the_report_is_said(capsys):
    assert run(FIXTURES / "sidecar.yaml") == 0
    said = capsys.readouterr().out
    assert "clear text" in said
    assert "0123456789abcdef" not in said


def test_what_is_refused_is_said_on_standard_error_and_the_files_are_written_all_the_same(tmp_path, capsys):
    path = tmp_path / "fluent-bit.conf"
    path.write_text(
        "[INPUT]\n Name tail\n Path /a.log\n[OUTPUT]\n Name es\n Match *\n[OUTPUT]\n Name stdout\n Match *\n"
    )
    assert run(path, "-o", tmp_path / "out") == 2
    assert "[OUTPUT] es: Towline does not send there" in capsys.readouterr().err
    assert (tmp_path / "out" / "aggregator.yaml").exists()


def test_files_that_are_there_are_not_written_over_unless_told_to(tmp_path, capsys):
    (tmp_path / "report.txt").write_text("mine")
    assert run(FIXTURES / "sidecar.yaml", "-o", tmp_path) == 2
    assert "holds report.txt already" in capsys.readouterr().err
    assert (tmp_path / "report.txt").read_text() == "mine"
    assert not (tmp_path / "collector.yaml").exists()
    assert run(FIXTURES / "sidecar.yaml", "-o", tmp_path, "--force") == 0
    assert (tmp_path / "report.txt").read_text() != "mine"


@pytest.mark.parametrize("name", ["absent.conf", "blocked"])
def test_what_cannot_be_read_or_written_is_said(tmp_path, capsys, name):
    if name == "blocked":
        (tmp_path / "blocked").write_text("a file")
        assert run(FIXTURES / "sidecar.yaml", "-o", tmp_path / "blocked" / "out") == 2
    else:
        assert run(tmp_path / name) == 2
    assert str(tmp_path) in capsys.readouterr().err
