import errno
import io
import json
import logging
import os
import subprocess
import sys

import pytest
import structlog

from towline.plumbing.logs import configure_logs, escaped
from towline.plumbing.secret import Secret


class Terminal(io.StringIO):
    def isatty(self):
        return True


def log_crash(error):
    try:
        raise error
    except ValueError:
        structlog.get_logger().exception("stage_crashed")


def logged(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def out():
    stream = io.StringIO()
    configure_logs("debug", stream)
    return stream


@pytest.fixture
def terminal():
    stream = Terminal()
    configure_logs("debug", stream)
    return stream


def test_an_event_is_one_json_line(out):
    structlog.get_logger().info("file_rotated", path="/a b", offset=5)
    [event] = logged(out)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "file_rotated", "path": "/a b", "offset": 5, "level": "info"}


def test_events_below_the_level_are_not_written():
    out = io.StringIO()
    configure_logs("warning", out)
    structlog.get_logger().info("batch_sent")
    structlog.get_logger().warning("batch_refused")
    assert [event["event"] for event in logged(out)] == ["batch_refused"]


def test_what_cannot_be_encoded_is_still_one_json_line(out):
    structlog.get_logger().info("file_opened", path="/a\udc80\x1b[31m\n\u202e", what=object())
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().isascii()
    assert logged(out)[0]["path"] == "/a\udc80\x1b[31m\n\u202e"


@pytest.mark.parametrize(
    "key", ["api_key", "apikey", "DD_APP_KEY", "token", "password", "client_secret", "authorization", "aws_credentials"]
)
def test_a_value_whose_key_names_a_secret_is_masked(out, key):
    structlog.get_logger().info("sink_opened", **{key: "hunter2", "options": {key: "hunter2"}})
    assert "hunter2" not in out.getvalue()
    assert logged(out)[0][key] == "***"


def test_keys_that_only_speak_of_secrets_are_shown(out):
    structlog.get_logger().info("token_read", token_file="/t", tokens=3, key="k")
    assert logged(out)[0] | {"token_file": "/t", "tokens": 3, "key": "k"} == logged(out)[0]


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2hunter2",
        "sent bearer hunter2hunter2 to it",
        "Authorization: Basic aHVudGVyMg==hunter2",
        "http://me:hunter2@host/path",
        "https://hunter2@host/path",
        "{'DD-API-KEY': 'hunter2'}",
        "GET /v1?api_key=hunter2&x=1",
        "password=hunter2",
        'X-Amz-Security-Token: hunter2"',
    ],
)
def test_a_secret_in_a_text_or_an_error_is_masked(out, text):
    structlog.get_logger().warning("request_refused", reason=text, error=ValueError(text), many=[text])
    log_crash(ValueError(text))
    assert "hunter2" not in out.getvalue()
    assert "ValueError" in logged(out)[1]["exception"]


def test_a_secret_object_is_masked_wherever_it_stands(out, terminal):
    configure_logs("debug", out)
    structlog.get_logger().info("sink_opened", what=Secret("hunter2"), more={"x": [Secret("hunter2")]})
    configure_logs("debug", terminal)
    structlog.get_logger().info("sink_opened", what=Secret("hunter2"))
    assert "hunter2" not in out.getvalue() + terminal.getvalue()


def test_a_terminal_gets_a_readable_line(terminal):
    structlog.get_logger().warning("file_rotated", path="/a b", offset=5, reason="")
    line = terminal.getvalue()
    assert "file_rotated" in line
    assert ' path="/a b" offset=5 reason=""' in line


def test_control_characters_never_reach_a_terminal(terminal):
    structlog.get_logger().info("file_opened", path="/a\x1b]0;x\x07\n\u202e\u2028\x9b\udc80")
    line = terminal.getvalue().removesuffix("\n")
    assert "\n" not in line
    # What is left of escape sequences are our own two: the level's colour and its end.
    assert line.replace("\x1b[0m", "").isprintable()
    assert r"\x1b]0;x\x07\n\u202e\u2028\x9b\udc80" in line


def test_a_traceback_on_a_terminal_keeps_its_lines_and_shows_escapes(terminal):
    log_crash(ValueError("bad \x1b[2J"))
    lines = terminal.getvalue().splitlines()
    assert lines[1].startswith("Traceback")
    assert lines[-1] == r"ValueError: bad \x1b[2J"


def test_what_libraries_say_becomes_an_event_of_ours(out):
    logging.getLogger("asyncio").error("Task %s was lost", "x")
    logging.getLogger("aiohttp").info("nothing of interest")
    [event] = logged(out)
    assert (event["event"], event["level"], event["logger"], event["message"]) == (
        "library_log_written",
        "error",
        "asyncio",
        "Task x was lost",
    )


def test_a_line_that_stderr_does_not_take_is_dropped_and_the_next_is_written():
    class Full(io.StringIO):
        refusals = 1

        def write(self, text):
            if self.refusals:
                self.refusals -= 1
                raise OSError(errno.ENOSPC, "no space left on device")
            return super().write(text)

    out = Full()
    configure_logs("info", out)
    structlog.get_logger().info("line_lost")
    structlog.get_logger().info("line_written")
    assert [event["event"] for event in logged(out)] == ["line_written"]


def test_a_process_whose_stderr_is_gone_goes_on():
    code = "import towline.plumbing.logs as l; l.configure_logs(); l.structlog.get_logger().error('sent_nowhere'); print('goes on')"
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=writing, text=True, check=True
        )
    finally:
        os.close(writing)
    assert done.stdout == "goes on\n"


def test_printable_text_of_every_language_is_left_as_it_is():
    assert escaped("größe 大小 x=1") == "größe 大小 x=1"


def test_rich_is_not_imported_where_it_merely_lies_about():
    code = "import towline.plumbing.logs as l, sys; l.configure_logs(); print([m for m in sys.modules if m.split('.')[0] == 'rich'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
