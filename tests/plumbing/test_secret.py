import copy
import json
import logging
import os
import pickle
from pathlib import Path

import pytest

from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place
from towline.plumbing.secret import MAX_SECRET_BYTES, Secret, read_secret

PLACE = Place("aggregator.yaml", "sinks.dd.api_key_file")


def written(path, text):
    path.write_text(text)
    return path


def test_a_secret_shows_its_mask_to_everything_but_reveal():
    secret = Secret("hunter2")
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r}",
        f"{secret:>9}",
        "key " + secret,
        json.dumps([secret]),
    ]
    shown += [
        str(ValueError(secret)),
        repr({"key": secret}),
        logging.LogRecord("n", 40, "p", 1, "%s", (secret,), None).getMessage(),
    ]
    assert not [text for text in shown if "hunter2" in text]
    assert secret.reveal() == "hunter2"


def test_a_secret_equals_another_of_the_same_value_and_never_plain_text():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("a") != "***"


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy, hash, vars])
def test_a_secret_is_not_copied_away(leak):
    with pytest.raises(TypeError):
        leak(Secret("hunter2"))


def test_an_empty_secret_is_false():
    assert not Secret("")
    assert Secret("x")


def test_a_file_ends_with_a_newline_that_is_no_part_of_the_secret(tmp_path):
    assert read_secret(PLACE, str(written(tmp_path / "key", "hunter2\n"))).reveal() == "hunter2"


def test_a_secret_is_read_again_when_its_file_is_replaced(tmp_path):
    path = written(tmp_path / "key", "old")
    secret = Secret.from_file(path)
    written(tmp_path / "next", "new").replace(path)
    assert secret.reveal() == "new"


def test_a_secret_is_read_again_when_its_folder_is_swapped_as_kubernetes_does(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written(tmp_path / name / "token", name)
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "token").symlink_to("..data/token")
    secret = Secret.from_file(tmp_path / "token")
    assert secret.reveal() == "one"
    (tmp_path / "..tmp").symlink_to("two")
    (tmp_path / "..tmp").replace(tmp_path / "..data")
    assert secret.reveal() == "two"


def test_a_secret_is_read_again_when_its_file_was_rewritten_in_place(tmp_path):
    path = written(tmp_path / "key", "one")
    secret = Secret.from_file(path)
    written(path, "two")
    os.utime(path, ns=(1, 1))
    assert secret.reveal() == "two"


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda path: path.write_text(""), lambda path: path.write_bytes(b"\xff")]
)
def test_while_its_file_is_gone_or_damaged_the_last_good_secret_is_told(tmp_path, damage):
    path = written(tmp_path / "key", "good")
    secret = Secret.from_file(path)
    damage(path)
    assert secret.reveal() == "good"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hunter2\nhunter3", "several lines"),
        (b"hunter2\x1b[0m", "control characters"),
        (b"\xff\xfehunter2", "not UTF-8"),
        (b"hunter2" * MAX_SECRET_BYTES, "larger than"),
    ],
)
def test_a_file_that_holds_no_secret_is_said_without_its_content(tmp_path, content, problem):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError, match=problem) as caught:
        read_secret(PLACE, str(tmp_path / "key"))
    assert str(caught.value).startswith("aggregator.yaml: sinks.dd.api_key_file: ")
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_said(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no file .*/key\. Mount it, or correct the path"):
        read_secret(PLACE, str(tmp_path / "key"))
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        read_secret(PLACE, str(tmp_path))


def test_the_environment_is_asked_where_no_file_is_named(tmp_path):
    env = {"DD_API_KEY": "from-env"}
    assert read_secret(PLACE, "", "DD_API_KEY", env).reveal() == "from-env"
    assert read_secret(PLACE, str(written(tmp_path / "key", "from-file")), "DD_API_KEY", env).reveal() == "from-file"
    assert read_secret(PLACE, "", "DD_API_KEY", {}) is None
    assert read_secret(PLACE, "") is None


def test_a_secret_of_the_environment_with_control_characters_is_refused_unshown():
    with pytest.raises(ConfigError, match="DD_API_KEY holds control characters") as caught:
        read_secret(PLACE, "", "DD_API_KEY", {"DD_API_KEY": "hunter2\r\nX: y"})
    assert "hunter2" not in str(caught.value)
