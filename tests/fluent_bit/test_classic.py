import pytest

from tests.fluent_bit.harness import written
from towline.fluent_bit.convert import read_setup
from towline.plumbing.errors import ConfigError


def sections(path):
    return [(one.kind, [(key.key, key.value) for key in one.properties]) for one in read_setup(path).sections]


def test_sections_and_keys_are_read_whatever_their_letters_and_indentation(tmp_path):
    path = written(
        tmp_path,
        "# comment\n[service]\n  FLUSH 1\n\n\t[INPUT]\n    NAME   tail\n\tPath\t/a b.log  \n    # Tag x\n    Empty\n    Rule  a # no comment\n",
    )
    assert sections(path) == [
        ("service", [("flush", "1")]),
        ("input", [("name", "tail"), ("path", "/a b.log"), ("empty", ""), ("rule", "a # no comment")]),
    ]


def test_includes_are_read_in_their_place_by_name_and_by_glob(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.conf").write_text("[INPUT]\n Name b\n")
    (tmp_path / "sub" / "a.conf").write_text("[INPUT]\n Name a\n@INCLUDE more.txt\n")
    (tmp_path / "sub" / "more.txt").write_text(" Tag from-a-file-beside\n")
    path = written(tmp_path, "[SERVICE]\n Flush 1\n@include sub/*.conf\n@INCLUDE none/*.conf\n[OUTPUT]\n Name o\n")
    assert sections(path) == [
        ("service", [("flush", "1")]),
        ("input", [("name", "a"), ("tag", "from-a-file-beside")]),
        ("input", [("name", "b")]),
        ("output", [("name", "o")]),
    ]


def test_set_gives_values_to_variables(tmp_path):
    path = written(tmp_path, "@SET a=b\n@set c = d=e\n[SERVICE]\n Flush ${a}\n")
    assert read_setup(path).variables == {"a": "b", "c": "d=e"}


def test_parsers_files_are_read_and_one_that_is_missing_is_remembered(tmp_path):
    path = written(
        tmp_path,
        "[SERVICE]\n Parsers_File parsers.conf\n Parsers_File /fluent-bit/none.conf\n",
        parsers_conf="[PARSER]\n Name x\n Format json\n",
    )
    setup = read_setup(path)
    assert [one.name for one in setup.of("parser")] == ["x"]
    assert [one.value for one in setup.missing] == ["/fluent-bit/none.conf"]


def test_a_path_in_fluent_bits_own_container_is_looked_for_beside_the_main_file(tmp_path):
    path = written(
        tmp_path,
        "[SERVICE]\n Parsers_File /fluent-bit/etc/parsers.conf\n",
        parsers_conf="[PARSER]\n Name x\n Format json\n",
    )
    assert [one.name for one in read_setup(path).of("parser")] == ["x"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Flush 1\n", "line 1: a key stands there before any section"),
        ("[SERVICE]\n[NONSENSE]\n", "line 2: there is no section [NONSENSE]"),
        ("@INCLUDE none.conf\n[SERVICE]\n", "line 1: @INCLUDE: there is no file none.conf"),
        ("@INCLUDE fluent-bit.conf\n", "does a file include itself"),
        ("@SET a\n", "line 1: @SET without a name"),
        ("[SERVICE]\n" + "#" * (1 << 20), "is larger than"),
        ("[SERVICE]\n\0", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, problem):
    path = written(tmp_path, text)
    if not problem:
        read_setup(path)
        return
    with pytest.raises(ConfigError) as raised:
        read_setup(path)
    assert problem.lower() in str(raised.value).lower()
    assert str(path) in str(raised.value)


def test_what_is_no_text_or_not_there_is_said(tmp_path):
    path = tmp_path / "fluent-bit.conf"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_setup(path)
    path.write_bytes(b"[SERVICE]\n\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_setup(path)


def test_a_file_that_is_included_again_and_again_ends(tmp_path):
    for name in "abcdefgh":
        (tmp_path / f"{name}.conf").write_text("@INCLUDE *.conf\n")
    with pytest.raises(ConfigError):
        read_setup(written(tmp_path, "@INCLUDE a.conf\n"))
