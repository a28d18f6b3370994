"""The ready parsers, each over lines as its programs write them."""

import pytest

from aggregator.core.events import UNPARSED, Texts
from aggregator.core.parsing import Parsing
from aggregator.parser_config import ready_parsers
from tests.aggregator.parsing import READ, ns, parsed, piece_of, ready

# name, line, fields, time, level
LINES = [
    ("cri", "2026-11-22T03:04:05.678901234Z stdout F GET /healthz 200", {"stream": "stdout", "logtag": "F", "message": "GET /healthz 200"}, "2026-11-22T03:04:05.678901234", ""),
    ("cri", "2026-11-22T05:04:05.6+02:00 stderr P a line that was cut, and goes ", {"stream": "stderr", "logtag": "P", "message": "a line that was cut, and goes "}, "2026-11-22T03:04:05.6", ""),
    ("cri", "2026-11-22T03:04:05.678901234Z stdout F ", {"stream": "stdout", "logtag": "F", "message": ""}, "2026-11-22T03:04:05.678901234", ""),
    ("docker", r'{"log":"it \"works\"\r\n","stream":"stderr","time":"2026-11-22T03:04:05.67890123Z"}', {"message": 'it "works"', "stream": "stderr"}, "2026-11-22T03:04:05.67890123", ""),
    ("klog", "W1122 03:04:05.678901   12345 reflector.go:302] watch of *v1.Pod ended: too old", {"severity": "W", "thread": 12345, "file": "reflector.go", "line": 302, "message": "watch of *v1.Pod ended: too old"}, "2026-11-22T03:04:05.678901", "warning"),
    ("klog", 'I1231 23:59:59.000001       1 main.go:9] "started" pod="kube-system/x"', {"severity": "I", "thread": 1, "file": "main.go", "line": 9, "message": '"started" pod="kube-system/x"'}, "2026-12-31T23:59:59.000001", "info"),
    ("nginx", '10.0.0.9 - alice [22/Nov/2026:03:04:05 +0100] "GET /a?b=c HTTP/1.1" 200 612 "-" "curl/8.5.0"', {"remote": "10.0.0.9", "host": "-", "user": "alice", "method": "GET", "path": "/a?b=c", "code": 200, "size": 612, "referer": "-", "agent": "curl/8.5.0"}, "2026-11-22T02:04:05", ""),
    ("nginx", r'10.0.0.9 - - [22/Nov/2026:03:04:05 +0000] "\x16\x03\x01" 400 157 "-" "-" "10.1.1.1"', {"remote": "10.0.0.9", "host": "-", "user": "-", "code": 400, "size": 157, "referer": "-", "agent": "-"}, "2026-11-22T03:04:05", ""),
    ("nginx", '::1 - - [22/Nov/2026:03:04:05 +0000] "" 499 0 "-" "-"', {"remote": "::1", "host": "-", "user": "-", "code": 499, "size": 0, "referer": "-", "agent": "-"}, "2026-11-22T03:04:05", ""),
    ("apache", '127.0.0.1 - frank [22/Nov/2026:03:04:05 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326', {"host": "127.0.0.1", "user": "frank", "method": "GET", "path": "/apache_pb.gif", "code": 200, "size": 2326}, "2026-11-22T10:04:05", ""),
    ("apache2", r'127.0.0.1 - - [22/Nov/2026:03:04:05 +0000] "POST /x HTTP/2.0" 304 - "https://a.example/?q=\"x\"" "an \"agent\" [1]"', {"host": "127.0.0.1", "user": "-", "method": "POST", "path": "/x", "code": 304, "size": "-", "referer": r'https://a.example/?q=\"x\"', "agent": r'an \"agent\" [1]'}, "2026-11-22T03:04:05", ""),
    ("apache_error", "[Sun Nov 22 03:04:05.678901 2026] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187:51] File does not exist: /x", {"module": "core", "level": "error", "pid": "35708:tid 4328636416", "client": "72.15.99.187:51", "message": "File does not exist: /x"}, "2026-11-22T03:04:05.678901", "error"),
    ("apache_error", "[Sun Nov 22 03:04:05 2026] [notice] Apache configured", {"level": "notice", "message": "Apache configured"}, "2026-11-22T03:04:05", "notice"),
    ("syslog_rfc3164", "<34>Nov 22 03:04:05 mymachine su[77]: 'su root' failed for lonvick", {"pri": 34, "host": "mymachine", "ident": "su", "pid": "77", "message": "'su root' failed for lonvick"}, "2026-11-22T03:04:05", "critical"),
    ("syslog_rfc3164", "Nov  2 03:04:05 host-1 kernel: [1.2] eth0: up", {"host": "host-1", "ident": "kernel", "message": "[1.2] eth0: up"}, "2026-11-02T03:04:05", ""),
    ("syslog_rfc3164", "2026-11-22T03:04:05.678901+00:00 ip-10-0-0-1 CRON[9]: (root) CMD (x)", {"host": "ip-10-0-0-1", "ident": "CRON", "pid": "9", "message": "(root) CMD (x)"}, "2026-11-22T03:04:05.678901", ""),
    ("syslog_rfc5424", '<165>1 2026-11-22T03:04:05.003Z h.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application"][examplePriority@32473 class="high"] \ufeffAn application event', {"pri": 165, "host": "h.example.com", "ident": "evntslog", "msgid": "ID47", "extradata": {"exampleSDID@32473": {"iut": "3", "eventSource": "Application"}, "examplePriority@32473": {"class": "high"}}, "message": "An application event"}, "2026-11-22T03:04:05.003", "notice"),
    ("syslog_rfc5424", "<0>1 2026-11-22T03:04:05-01:00 - - 8710 - -", {"pri": 0, "pid": "8710"}, "2026-11-22T04:04:05", "emergency"),
    ("syslog_rfc5424", r'<14>1 - a b - - [x@1 k="a\]b\"c\\d"][y@1] - %% it', {"pri": 14, "host": "a", "ident": "b", "extradata": {"x@1": {"k": r'a]b"c\d'}, "y@1": {}}, "message": "- %% it"}, None, "info"),
    ("syslog", "<34>1 2026-11-22T03:04:05.003Z mymachine su - ID47 - 'su root' failed", {"pri": 34, "host": "mymachine", "ident": "su", "msgid": "ID47", "message": "'su root' failed"}, "2026-11-22T03:04:05.003", "critical"),
    ("syslog", "<34>Nov 22 03:04:05 mymachine su: 'su root' failed", {"pri": 34, "host": "mymachine", "ident": "su", "message": "'su root' failed"}, "2026-11-22T03:04:05", "critical"),
    ("json", '{"timestamp":"2026-11-22T03:04:05.678Z","level":"WARN","message":"m","n":[1,{"a":null}]}', {"timestamp": "2026-11-22T03:04:05.678Z", "level": "WARN", "message": "m", "n": [1, {"a": None}]}, "2026-11-22T03:04:05.678", "warning"),
    ("json", '{"level":30,"time":1795316645678,"pid":1,"msg":"pino"}', {"level": 30, "time": 1795316645678, "pid": 1, "msg": "pino"}, "2026-11-22T03:04:05.678", "info"),
    ("json", '{"@timestamp":"2026-11-22T03:04:05.678Z","log.level":"ERROR","message":"ecs"}', {"@timestamp": "2026-11-22T03:04:05.678Z", "log.level": "ERROR", "message": "ecs"}, "2026-11-22T03:04:05.678", "error"),
    ("json", '{"log":{"level":"debug"},"ts":1795316645.25}', {"log": {"level": "debug"}, "ts": 1795316645.25}, "2026-11-22T03:04:05.25", "debug"),
    ("json", ' { "severity": "ALERT" } ', {"severity": "ALERT"}, None, "alert"),
    ("json", "{}", {}, None, ""),
    ("logfmt", 'time=2026-11-22T03:04:05.678Z level=warn msg="it \\"works\\"\\n" retry took=12ms x="" y=', {"level": "warn", "message": 'it "works"', "retry": True, "took": "12ms", "x": "", "y": ""}, "2026-11-22T03:04:05.678", "warning"),
    ("logfmt", 'at=info method=GET path="/a=b" fwd="1.2.3.4"', {"at": "info", "method": "GET", "path": "/a=b", "fwd": "1.2.3.4"}, None, ""),
    ("logfmt", 'a="never ends b=c', {"a": '"never', "ends": True, "b": "c"}, None, ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "line", "fields", "time", "level"), LINES)
def test_a_line_is_read_as_its_program_meant_it(name, line, fields, time, level):
    details, tally = parsed([line.encode()], ready(name))
    assert details.fields == [fields]
    assert details.times_unix_ns == [READ if time is None else ns(time)]
    assert details.levels == [level]
    assert (details.notes, tally) == ([None], {})


# Lines that are another's, or nobody's.
OTHERS = {
    "json": ["plain text", "[1]", '"text"', "1", "null", "", "{", '{"a":1}{"b":2}', '{"a":1},{"b":2}', '{"a":NaN}', r'{"a":"\ud800"}', "{'a':1}"],
    "logfmt": ["plain text", "", "=x", "a = b", '"a"=b', "GET /x?a=b"],
    "cri": ["plain text", "2026-11-22T03:04:05Z stdin F x", "2026-11-22T03:04:05Z stdout F"],
    "docker": ["plain text", "[]"],
    "klog": ["plain text", "X1122 03:04:05.678901 1 a.go:1] x", "I1122 03:04:05 a.go:1] x"],
    "nginx": ["plain text", "2026/11/22 03:04:05 [error] 29#29: *1 open() failed"],
    "apache": ["plain text", "[Sun Nov 22 03:04:05 2026] [notice] Apache configured"],
    "apache2": ["plain text"],
    "apache_error": ["plain text", "[only] one"],
    "syslog": ["plain text", "<34>2 2026-11-22T03:04:05.003Z"],
    "syslog_rfc3164": ["plain text", "<34>1 2026-11-22T03:04:05Z a b - - - x"],
    "syslog_rfc5424": ["plain text", "<34>Nov 22 03:04:05 a b: c", '<14>1 - a b - - [x@1 k="a] it'],
}  # fmt: skip


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in OTHERS.items() for line in lines])
def test_a_line_that_does_not_fit_goes_on_as_it_came(name, line):
    details, tally = parsed([line.encode()], ready(name))
    assert (details.fields, details.times_unix_ns, details.levels) == ([None], [READ], [""])
    assert details.notes == [{UNPARSED: name}]
    assert tally == {("unparsed", name, ""): 1}


def test_every_ready_parser_has_a_line_here():
    assert set(ready_parsers()) == {name for name, *_ in LINES} == set(OTHERS)


@pytest.mark.parametrize("name", ["cri", "klog", "syslog", "apache_error"])
def test_a_message_goes_on_over_the_lines_that_were_joined_to_it(name):
    line, fields = next((line, fields) for known, line, fields, *_ in LINES if known == name)
    text = line.encode() + b"\n\tat a.B.c(B.java:1)\n"
    after = Parsing([ready(name)]).apply(piece_of(Texts([text])))
    assert after.details.fields == [{**fields, "message": fields["message"] + "\n\tat a.B.c(B.java:1)\n"}]
