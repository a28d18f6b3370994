"""`python -m aggregator --config FILE`: the same as `towline aggregator`.

Room: aggregator, the door. Never enters: what the aggregator does (app.py wires that).
"""

import argparse
import sys
from pathlib import Path

from aggregator.config import AggregatorConfig, load
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
        from aggregator.app import run  # noqa: PLC0415 - a wrong configuration is answered before anything else is loaded
        from aggregator.memory import collect_less_often  # noqa: PLC0415 - as above

        collect_less_often()
        return run(config, config_file, lambda: read_config(config_file, files)[0], lambda: files)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.CONFIG_ERROR


def read_config(file: Path, files: list[Path] | None = None) -> tuple[AggregatorConfig, list[str]]:
    """aggregator.yaml, or a Fluent Bit configuration in its place; and what whoever runs it should know.

    `files` is filled with what it is made of, also where it is wrong: watched, they tell when to read it again. Raises ConfigError.
    """
    from aggregator.registry import SINKS  # noqa: PLC0415 - `--help` needs no vendor's library

    if not is_fluent_bit(file):
        note_files(files, [file])
        return load(file, SINKS), []
    from aggregator.core.regexes import compile_regex  # noqa: PLC0415 - loaded only where there is such a file
    from towline.fluent_bit.means import Means  # noqa: PLC0415 - as above
    from towline.fluent_bit.reading import read_converted  # noqa: PLC0415 - as above

    means = Means(check=compile_regex)
    try:
        return read_converted(file, "aggregator", lambda path: load(path, SINKS), means=means)
    finally:
        note_files(files, means.files)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, then start."""
    parser = argparse.ArgumentParser(prog="aggregator", description="Store what collectors ship, and deliver it.")
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="aggregator.yaml, or a Fluent Bit configuration"
    )
    return start(parser.parse_args(argv).config)


if __name__ == "__main__":
    sys.exit(main())
