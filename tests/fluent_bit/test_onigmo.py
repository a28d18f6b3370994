"""Onigmo's patterns in the words of our regular expressions, which search: each expectation is from Onigmo's own description of its syntax."""

import re

import pytest

from aggregator.core.regexes import compile_regex
from towline.fluent_bit.onigmo import translate


def compiled(pattern, **options):
    return compile_regex(translate(pattern, **options).pattern)


def found(pattern, text):
    regex = compiled(pattern)
    return dict(zip(regex.names, regex.groups(text), strict=True))


APACHE = r'^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>[^\"]*)")?$'


def test_the_pattern_of_apache_finds_what_it_names():
    line = '192.168.2.20 - - [28/Jul/2006:10:27:10 -0300] "GET /cgi-bin/try/ HTTP/1.0" 200 3395'
    assert found(APACHE, line) == {
        "host": "192.168.2.20",
        "user": "-",
        "time": "28/Jul/2006:10:27:10 -0300",
        "method": "GET",
        "path": "/cgi-bin/try/",
        "code": "200",
        "size": "3395",
        "referer": None,
        "agent": None,
    }


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"^\h+$", ["0aF"], ["0g", ""]),
        (r"^\H$", ["g"], ["a"]),
        (r"^[\h:]+$", ["fe80::1"], ["g"]),
        (r"^[[:alpha:]_]+$", ["a_Z"], ["a1"]),
        (r"^[[:digit:][:space:]]+$", ["1 2\t"], ["a"]),
        (r"^[^[:space:]]+$", ["a1"], ["a 1"]),
        (r"^[a-c[x-z]]+$", ["axz"], ["d"]),
        (r"\Aa\z", ["a"], ["a\n", "ba"]),
        (r"^\/a\"b\_c\<d\>$", ['/a"b_c<d>'], ["/ab"]),
        (r"^a{,2}$", ["", "aa"], ["aaa"]),
        (r"^\x{e9}\u00e8\x41$", ["éèA"], ["eeA"]),
        (r"^\p{Digit}\P{Space}$", ["1a"], ["1 ", "aa"]),
        (r"a\Rb", ["a\r\nb", "a\nb"], ["ab"]),
        (r"^[^ ]*+ x$", ["abc x"], ["abc y"]),
        (r"^(?>a+)b$", ["aab"], ["aa"]),
        (r"^a(?#a comment)b$", ["ab"], ["a"]),
        (r"(?i)^abc$", ["ABC"], ["abd"]),
        (r"^(?i:a)b$", ["Ab"], ["AB"]),
        (r"/^abc$/i", ["ABC"], ["xabc"]),
        (r"/a.b/m", ["a\nb"], ["ab"]),
        (r"a.b", ["axb"], ["a\nb"]),
        (r"^(?'n'x)$", ["x"], ["y"]),
        (r"^[&~|]$", ["&", "|"], ["a"]),
        (r"^[]a]$", ["]", "a"], ["b"]),
        (r"^\e\a$", ["\x1b\x07"], ["ea"]),
        (r"^[a\]b]$", ["]"], ["c"]),
        (r"\Aa\Z", ["a", "a\n"], ["a\nb"]),
        (r"a$", ["a", "ba"], ["ab"]),
        (r"^[[:print:]]+$", ["a é\u20ac"], ["a\tb", ""]),
        (r"^[[:graph:]]+$", ["aé"], ["a b"]),
        (r"^[^[:print:]]$", ["\x01"], ["é"]),
        (r"^[[:punct:]]+$", ["!/:@[`{~"], ["a"]),
        (r"^[[:upper:][:digit:]_-]+$", ["AB-1_"], ["a"]),
        (r"^[[:xdigit:]]{2}:[[:xdigit:]]{2}$", ["fF:09"], ["fg:09"]),
        (r"^[[:alnum:]][[:blank:]][[:lower:]]$", ["1\ta"], ["1\na"]),
        (r"^[[:cntrl:]][[:word:]]$", ["\x7f_"], ["a_"]),
        (r"\bab\b", ["ab", "x ab."], ["abc"]),
        (r"\Bb", ["ab"], ["b"]),
        (r"^(a|b)*?c$", ["abac"], ["abd"]),
        (r"^\d{2,}\.\d+$", ["10.5"], ["1.5", "10x5"]),
        (r"^a{2}$", ["aa"], ["a{2}"]),
        (r"^{a}$", ["{a}"], ["a"]),
        (r"^(?<a>x)?(?<b>y)$", ["xy", "y"], ["x"]),
        (r"^(?i-m:AB)(?:c|d)$", ["abc", "aBd"], ["abC"]),
        (r"^[\d\-\.]+$", ["1-2.3"], ["1_2"]),
        (r"^\[[^\]]*\]$", ["[x y]"], ["[x]y"]),
        (r"^[^\h]$", ["g"], ["f"]),
        (r"^\tx\s$", ["\tx "], ["tx "]),
        (r"é+$", ["éé"], ["e"]),
    ],
)
@pytest.mark.parametrize("lines", [False, True])
def test_what_onigmo_finds_is_found(pattern, yes, no, lines):
    regex = compiled(pattern, lines=lines)
    assert [text for text in yes if not regex.search(text)] == []
    assert [text for text in no if regex.search(text)] == []


def test_begin_and_end_are_those_of_every_line_where_there_may_be_several():
    assert compiled("^b$", lines=True).search("a\nb\nc")
    assert compiled("/^B$/i", lines=True).search("a\nb\n")
    assert compiled(r"\Aa$\s^[^$]\z", lines=True).search("a\nb")
    assert not compiled(r"\Ab$", lines=True).search("a\nb\nc")
    assert not compiled("^b$").search("a\nb\nc")


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        # Of the parsers that come with Fluent Bit, lines from their programs' own manuals.
        (
            r"^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \[(?<time>[^\]]*)\] \"(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)?\" (?<code>[^ ]*) (?<size>[^ ]*)(?: \"(?<referer>[^\"]*)\" \"(?<agent>[^\"]*)\")",
            '10.0.0.1 - bob [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.1" 200 17 "-" "curl/8"',
            {
                "remote": "10.0.0.1",
                "host": "-",
                "user": "bob",
                "time": "10/Oct/2000:13:55:36 -0700",
                "method": "GET",
                "path": "/a?b=c",
                "code": "200",
                "size": "17",
                "referer": "-",
                "agent": "curl/8",
            },
        ),
        (
            r"/^\<(?<pri>[0-9]+)\>(?<time>[^ ]* {1,2}[^ ]* [^ ]*) (?<host>[^ ]*) (?<ident>[a-zA-Z0-9_\/\.\-]*)(?:\[(?<pid>[0-9]+)\])?(?:[^\:]*\:)? *(?<message>.*)$/",
            "<34>Oct  1 22:14:15 mymachine su[7]: failed for root",
            {
                "pri": "34",
                "time": "Oct  1 22:14:15",
                "host": "mymachine",
                "ident": "su",
                "pid": "7",
                "message": "failed for root",
            },
        ),
        (
            r"^(?<severity>\w)(?<time>\d{4} [^\s]*)\s+(?<pid>\d+)\s+(?<source>[^ \]]+)\] (?<message>.*)$",
            "E1014 12:00:00.5 1 main.go:7] broken",
            {"severity": "E", "time": "1014 12:00:00.5", "pid": "1", "source": "main.go:7", "message": "broken"},
        ),
        (
            r"^\[(?<time>[^\]]*)\] (?<level>[[:upper:]]++) (?<id>\h{4,}+) - (?<message>(?>.*))\z",
            "[2024] WARN 0aFf - a - b",
            {"time": "2024", "level": "WARN", "id": "0aFf", "message": "a - b"},
        ),
    ],
)
def test_groups_are_those_that_onigmo_finds(pattern, text, groups):
    assert found(pattern, text) == groups


def test_letters_of_other_alphabets_are_said_to_be_missing():
    assert translate("[[:alpha:]]").notes == ("[:alpha:] means letters of ASCII alone",)
    assert translate("[[:digit:]]").notes == ()


def test_a_pattern_of_the_same_syntax_stays_as_it_is():
    for pattern in (r"^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>P|F) (?<log>.*)$", r"\d{4}-\d\d", "a|b"):
        assert translate(pattern).pattern == pattern


def test_what_may_match_more_than_before_is_said():
    assert "possessive" in translate("a++b").notes[0]
    assert "atomic" in translate("(?>a)b").notes[0]
    assert translate("a+b").notes == ()


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        (r"(?=a)b", "looks ahead"),
        (r"(?!a)b", "looks ahead"),
        (r"(?<=a)b", "looks back"),
        (r"(?<!a)b", "looks back"),
        (r"(a)\1", "goes back"),
        (r"(?<n>a)\k<n>", "goes back"),
        (r"(?<n>a)\g<n>", "calls a group"),
        (r"(?~ab)", "absence"),
        (r"a\Kb", "keeps"),
        (r"[a-z&&[^b]]", "in common"),
        (r"[a[^b]]", "takes away"),
        (r"[[:^alpha:]]", "no other name"),
        (r"a(?i)b", "switches options"),
        (r"(?<log-level>a)", "a name that is not"),
        (r"\p{Han}", "property"),
        (r"[a", "without its ]"),
        (r"(a", "no regular expression"),
        (r"(?<a>x)(?<a>y)", "no regular expression"),
        ("a{1,99999999999999999999}", "no regular expression"),
    ],
)
def test_what_a_linear_engine_cannot_do_is_refused_with_the_reason(pattern, what):
    with pytest.raises(ValueError, match=re.escape(what)):
        translate(pattern)
