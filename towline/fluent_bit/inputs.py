"""`[INPUT]` sections: files to the collector's `logs:`, the rest to its `metrics:`.

Room: fluent_bit. Never enters: filters, outputs. Source: Fluent Bit's manual, "Tail", "Prometheus Scrape", "StatsD".
"""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from towline.fluent_bit.context import Context, Rule
from towline.fluent_bit.keys import Keys
from towline.fluent_bit.model import Property, Section, is_true
from towline.fluent_bit.tags import STAR, Tagged

LOCAL = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "")  # noqa: S104 - what people write for "this pod"
_OF_NODES = ("/var/log/containers/", "/var/log/pods/", "/var/lib/docker/")
DEFAULT_STATE = "/tmp/towline"  # noqa: S108 - the one folder of a container that any user may write to; losing it is harmless
ENCODINGS: Mapping[str, str] = {"utf-8": "utf-8", "utf-16le": "utf-16le", "utf-16be": "utf-16be"}
_HEAD = "every line of a file is read, also those written before the start"
_STATE = "the collector keeps its place in state_dir, and the aggregator keeps it too"
_IGNORED: Mapping[str, str] = {
    "buffer_chunk_size": "lines of any length are read",
    "buffer_max_size": "lines of any length are read; a rule `truncate` would cut them",
    "skip_long_lines": "no line is too long: none is skipped",
    "truncate_long_lines": "no line is too long; a rule `truncate` would cut them",
    "refresh_interval": "new files are seen at once",
    "rotate_wait": "a rotated file is read until all of it is stored, however long that takes",
    "ignore_older": "every file is read once; what is too old for a destination is refused there, and counted",
    "inotify_watcher": "inotify wakes the collector, a scan each second is the truth",
    "exit_on_eof": "the collector runs as long as its pod",
    "static_batch_size": "a bounded window is read at a time",
    "event_batch_size": "a bounded window is read at a time",
    "file_cache_advise": "the page cache is left alone",
    "watcher_interval": "a scan each second is the truth",
    "progress_check_interval": "a scan each second is the truth",
    "multiline_flush": "Multiline is not on",
    "docker_mode": "the parser `docker` reads its lines one by one",
    "docker_mode_flush": "the parser `docker` reads its lines one by one",
    "docker_mode_parser": "the parser `docker` reads its lines one by one",
    "offset_key": "`event_id: true` of a sink gives each line an id that holds its offset",
    "keep_file_handle": "unlinked files are held until they are delivered",
    **dict.fromkeys(("db.sync", "db.locking", "db.journal_mode", "db.compare_filename"), _STATE),
}


@dataclass(slots=True)
class Lines:
    """An input of lines. `tagged`: its path patterns, each with its tag; `is_part`: not all that the input has.

    `excluded`: patterns of files that are left out, their wildcards crossing folders; `dropped`: those of their paths that another input reads.
    `parse` and `joins` name our parsers and multiline rules; `rules` come before those of filters; `own`: keys of `logs:`.
    """

    section: Section
    tag: str
    tagged: list[Tagged]
    excluded: list[str] = field(default_factory=list)
    parse: list[str] = field(default_factory=list)
    joins: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    own: dict[str, Any] = field(default_factory=dict)
    state_dir: str = ""
    dropped: list[str] = field(default_factory=list)
    is_part: bool = False


def tail(section: Section, number: int, context: Context) -> Lines:
    """An input `tail`; `number` counts those of its kind."""
    keys = context.keys(section)
    tag = keys.text("tag", f"tail.{number}", "mapped", "the paths of routes")
    lines = Lines(section, tag, _tagged(keys, tag))
    database = keys.later("db", "", "mapped", f"{_STATE}; the file itself is not read")
    lines.state_dir = _state_dir(database)
    _excluded(keys, lines)
    _parsing(keys, lines, context)
    _line_rules(keys, lines)
    keys.text("key", "log", "mapped", "the line is called `message`, and filters that name the key mean it")
    keys.text("read_from_head", "off", "mapped", _HEAD)
    keys.text("read_newly_discovered_files_from_head", "on", "mapped", _HEAD)
    _encoding(keys, lines)
    keys.finish("ignored", _IGNORED)
    return lines


def metrics(sections: Sequence[Section], context: Context) -> dict[str, Any]:
    """`metrics:` of the collector: what is scraped, and where StatsD is listened for; {} where neither is asked for."""
    scrapes: list[dict[str, Any]] = []
    intervals: list[float] = []
    statsd: dict[str, Any] | None = None
    for section in sections:
        keys = context.keys(section)
        if section.name == "prometheus_scrape":
            scrapes += _scrape(keys, intervals)
        elif statsd is None:
            host, port = keys.text("listen", "0.0.0.0"), keys.number("port", 8125)  # noqa: S104 - Fluent Bit's default
            statsd = {"listen": f"{host}:{port:.0f}"}
            keys.text("metrics", "on", "mapped", "what is sent becomes metrics, never lines")
        else:
            context.report.section(section, "refused", "there is one listener for StatsD. Send all of it to one port")
        keys.finish("ignored")
    if not scrapes and statsd is None:
        return {}
    made: dict[str, Any] = {"interval_seconds": min(intervals, default=15), "annotations": False}
    return made | ({"scrape": scrapes} if scrapes else {}) | ({"dogstatsd": statsd} if statsd else {})


def state_dir_of(inputs: Sequence[Lines]) -> str:
    """Where the collector keeps its checkpoint: on the volume on which Fluent Bit kept its own, else in the container."""
    return next((one.state_dir for one in inputs if one.state_dir), DEFAULT_STATE)


def _tagged(keys: Keys, tag: str) -> list[Tagged]:
    """Each path of `Path` with the tag that its files' lines carry."""
    paths = []
    for one in keys.all("path"):
        for path in filter(None, (part.strip() for part in one.value.split(","))):
            written = keys.kept(one, path)
            if not written.startswith(("/", "${")):
                keys.say(one, "refused", "holds a path that is not absolute. Write it from / on")
                continue
            # Fluent Bit's `**` is a `*`; ours would go into folders.
            paths.append(re.sub(r"\*+", STAR, posixpath.normpath(written)))
        keys.say(one, "honoured")
        if any(path.startswith(_OF_NODES) for path in paths):
            keys.report.warn(
                keys.section, one, "is a folder of nodes: in a pod nothing is there. Name the app's own files"
            )
    if not paths:
        keys.report.section(keys.section, "refused", "has no Path. Write the files to read")
    for one in keys.all("tag_regex"):
        keys.say(one, "mapped", "tags that it makes are compared as if its groups could be anything")
    before, star, after = re.sub(r"<[^<>]+>", "\0", tag).partition(STAR)
    before, after = before.replace("\0", STAR), after.replace("\0", STAR)
    return [Tagged(path, before, after, has_path=bool(star)) for path in paths]


def _state_dir(database: str) -> str:
    """Beside Fluent Bit's own database: that folder could be written to."""
    return posixpath.join(posixpath.dirname(database), ".towline") if database.startswith("/") else ""


def _excluded(keys: Keys, lines: Lines) -> None:
    for one in keys.all("exclude_path"):
        patterns = [keys.kept(one, part) for part in one.value.split(",") if part.strip()]
        idle = [pattern for pattern in patterns if not pattern.startswith(("/", STAR, "${"))]
        lines.excluded += [re.sub(r"\*+", STAR, pattern) for pattern in patterns if pattern not in idle]
        keys.say(one, "mapped", "`exclude` of the collector's logs")
        if idle:
            why = f"holds {idle[0]}, which is no whole path: nothing is left out by it, as in Fluent Bit. Write */{idle[0]}"
            keys.report.warn(keys.section, one, why)


def _parsing(keys: Keys, lines: Lines, context: Context) -> None:
    """`Parser`, `multiline.parser`, and the old `Multiline` with its `Parser_Firstline`."""
    old = keys.flag("multiline", verdict="mapped", why="multiline of the route")
    for one in keys.all("multiline.parser"):
        joined, parsed = context.joins.use(keys.now(one), (keys.section, one))
        lines.joins += joined
        lines.parse += parsed
        why = "lines that the runtime cut in parts stay apart" if parsed else ""
        keys.say(one, "mapped" if parsed else "honoured", why)
    for one in keys.all("parser_firstline"):
        keys.say(one, "mapped" if old else "ignored", "multiline of the route" if old else "Multiline is not on")
        if old:
            _first_line(keys, one, lines, context)
    for one in keys.all("parser"):
        _one_parser(keys, one, lines, context, is_used=not old)
    for one in [one for one in keys.section.properties if re.fullmatch(r"parser_\d+", one.key)]:
        keys.say(one, "ignored", "the whole event is parsed at once, with Parser_Firstline")


def _one_parser(keys: Keys, one: Property, lines: Lines, context: Context, *, is_used: bool) -> None:
    if not is_used or lines.joins or lines.parse:
        keys.say(one, "ignored", "Multiline is on, which reads lines with parsers of its own")
        return
    keys.say(one, "honoured")
    name = context.parsers.use(keys.now(one), (keys.section, one))
    lines.parse += [name] if name else []


def _first_line(keys: Keys, one: Property, lines: Lines, context: Context) -> None:
    flush_seconds = keys.number("multiline_flush", 0)
    name = keys.now(one)
    pattern, parser = context.parsers.first_line(name, (keys.section, one))
    if not pattern:
        return
    lines.joins.append(context.joins.first_line(name, pattern, flush_seconds))
    if parser:
        lines.parse.append(parser)
    else:
        context.report.warn(
            keys.section, one, "lines are joined and not parsed: the parser's last group takes no rest of the event"
        )


def _line_rules(keys: Keys, lines: Lines) -> None:
    for one in keys.all("skip_empty_lines"):
        keys.say(one, "mapped", "a rule `drop`")
        if is_true(one.value):
            lines.rules.append({"drop": {"matches": r"\A\r?\Z"}})
    for one in keys.all("path_key"):
        if one.value.strip().lower() in {"", "off", "false"}:
            keys.say(one, "honoured")
        else:
            keys.say(one, "mapped", "a rule `set`")
            lines.rules.append({"set": {keys.now(one): "{path}"}})


def _encoding(keys: Keys, lines: Lines) -> None:
    for key in ("unicode.encoding", "generic.encoding"):
        for one in keys.all(key):
            name = one.value.strip().lower()
            if name in ENCODINGS:
                keys.say(one, "honoured")
                lines.own["encoding"] = ENCODINGS[name]
            elif name == "auto":
                keys.say(one, "ignored", "lines are taken for UTF-8 unless the encoding is named")
            else:
                keys.say(one, "refused", f"Towline reads no such encoding. Use one of: {', '.join(ENCODINGS)}")


def _scrape(keys: Keys, intervals: list[float]) -> list[dict[str, Any]]:
    host, port = keys.text("host", "127.0.0.1"), keys.number("port", 80)
    path = keys.text("metrics_path", "/metrics")
    interval = keys.text("scrape_interval", "10s")
    match = re.fullmatch(r"([0-9.]+)\s*(s|m|h|)", interval)
    intervals.append(float(match[1]) * {"m": 60, "h": 3600}.get(match[2], 1) if match else 10)
    keys.text("tag", "", "ignored", "metrics follow no route: every sink that takes them gets them")
    keys.refuse(dict.fromkeys(("http_user", "http_passwd"), "Towline scrapes without a password. Take it out"))
    if host not in LOCAL:
        keys.report.section(
            keys.section,
            "refused",
            f"Towline scrapes the pod itself, and not {host}. Scrape that by another pod's collector",
        )
        return []
    return [{"url": f"http://127.0.0.1:{port:.0f}/{path.removeprefix('/')}"}]
