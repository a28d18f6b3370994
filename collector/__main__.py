"""`python -m collector --config FILE`: the same as `towline collector`.

Room: collector, the door. Never enters: what the collector does (app.py wires that).
"""

import argparse
import sys
from pathlib import Path

from collector.config import CollectorConfig, load
from towline.plumbing.errors import ConfigError
from towline.plumbing.lifecycle import ExitCode
from towline.plumbing.logs import configure_logs
from towline.plumbing.recognise import is_fluent_bit, note_files, say_notices


def start(config_file: Path) -> int:
    """Check the configuration, then run until told to stop. Returns the exit code."""
    try:
        files: list[Path] = []
        config, notices = read_config(config_file, files)
        configure_logs(config.log_level)
        say_notices(notices)
        from collector.app import run  # noqa: PLC0415 - a wrong configuration is answered before anything else is loaded

        return run(config, config_file, lambda: read_config(config_file, files)[0], lambda: files)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.CONFIG_ERROR


def read_config(file: Path, files: list[Path] | None = None) -> tuple[CollectorConfig, list[str]]:
    """collector.yaml, or a Fluent Bit configuration in its place; and what whoever runs it should know.

    `files` is filled with what it is made of, also where it is wrong: watched, they tell when to read it again. Raises ConfigError.
    """
    if not is_fluent_bit(file):
        note_files(files, [file])
        return load(file), []
    from towline.fluent_bit.means import Means  # noqa: PLC0415 - paid for only where there is such a file
    from towline.fluent_bit.reading import read_converted  # noqa: PLC0415 - as above

    means = Means()
    try:
        return read_converted(file, "collector", load, means=means)
    finally:
        note_files(files, means.files)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, then start."""
    parser = argparse.ArgumentParser(prog="collector", description="Ship this pod's logs and metrics to an aggregator.")
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="collector.yaml, or a Fluent Bit configuration"
    )
    return start(parser.parse_args(argv).config)


if __name__ == "__main__":
    sys.exit(main())
