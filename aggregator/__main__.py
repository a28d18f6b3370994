"""`python -m aggregator --config FILE`: the same as `towline aggregator`.

Room: aggregator, the door. Never enters: what the aggregator does (app.py wires that).
"""

import argparse
import sys
from pathlib import Path

from aggregator.config import load
from towline.plumbing.errors import ConfigError
from towline.plumbing.lifecycle import ExitCode
from towline.plumbing.logs import configure_logs


def start(config_file: Path) -> int:
    """Check the configuration, then run until told to stop. Returns the exit code."""
    try:
        from aggregator.registry import SINKS  # noqa: PLC0415 - `--help` needs no vendor's library

        config = load(config_file, SINKS)
        configure_logs(config.log_level)
        from aggregator.app import run  # noqa: PLC0415 - a wrong configuration is answered before anything else is loaded

        return run(config, config_file)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.CONFIG_ERROR


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, then start."""
    parser = argparse.ArgumentParser(prog="aggregator", description="Store what collectors ship, and deliver it.")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="aggregator.yaml")
    return start(parser.parse_args(argv).config)


if __name__ == "__main__":
    sys.exit(main())
