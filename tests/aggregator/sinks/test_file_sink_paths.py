"""Where a file sink writes: no value leaves its place in the path, and a path that names no file is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.sinks.file.config import FileConfig, PathMaker, safe_value
from tests.aggregator.sinks.batches import ORIGIN, POD, surroundings
from towline.wire.identity import Origin, Pod

NASTY_NAME = st.one_of(
    st.sampled_from(["..", ".", "", "/etc/passwd", "../../x", "a/../..", "\0", "x" * 400, "é" * 300, "{pod}", "\n"]),
    st.text(max_size=30),
)


@given(NASTY_NAME, NASTY_NAME, NASTY_NAME)
def test_no_value_can_leave_its_place_in_the_path(namespace, name, label):
    pod = Pod(namespace=namespace, name=name, uid="u", labels={"app": label})
    made = PathMaker("/data/{namespace}/{labels[app]}-{pod}{pod}.jsonl", surroundings().folder, "r")(pod, ORIGIN)
    assert made.startswith("/data/")
    assert made.endswith(".jsonl")
    names = made.split("/")
    assert len(names) == 4
    assert all(one not in {"", ".", ".."} and len(one.encode()) <= 255 and "\0" not in one for one in names[1:])
    assert made == PathMaker("/data/{namespace}/{labels[app]}-{pod}{pod}.jsonl", surroundings().folder, "r")(
        pod, ORIGIN
    )


@given(NASTY_NAME, NASTY_NAME)
def test_the_path_of_a_log_is_one_name_in_the_path(path, ip):
    pod = Pod(namespace="shop", name="web", uid="u", ip=ip)
    made = PathMaker("/data/{ip}/{path}", surroundings().folder, "r")(pod, Origin(path=path))
    names = made.split("/")
    assert names[:2] == ["", "data"]
    assert len(names) == 4
    assert all(one not in {"", ".", ".."} and len(one.encode()) <= 255 and "\0" not in one for one in names[1:])


def test_relative_paths_stand_beside_the_configuration_and_braces_in_its_folder_are_text(tmp_path):
    maker = PathMaker("{pod}.jsonl", tmp_path / "{x}", "r")
    assert maker(POD, Origin(path="/x")) == str(tmp_path / "{x}" / "web-7d9f8c6b5-x2x4z.jsonl")
    assert maker.root == tmp_path / "{x}"
    assert PathMaker("/data/all.jsonl", tmp_path, "r").root.as_posix() == "/data"
    assert PathMaker("/data/x-{pod}", tmp_path, "r").root.as_posix() == "/data"


def test_dots_alone_are_no_name():
    assert [safe_value(value) for value in ("..", ".", "...", ".a", "a/b\0c")] == ["__", "_", "___", ".a", "a_b_c"]


@pytest.mark.parametrize("path", ["/data/", "", "/data/{nope}", "/data/\0x", "/"])
def test_a_path_that_names_no_file_is_refused(path):
    with pytest.raises(ValueError, match=r"^path: "):
        FileConfig(path=path)
