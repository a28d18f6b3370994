"""`python -m collector --config FILE`: the same as `towline collector`.

Room: collector, the door. Never enters: what the collector does (app.py wires that).
"""

import argparse
import sys
from pathlib import Path

from collector.config import load
from towline.plumbing.errors import ConfigError
from towline.plumbing.lifecycle import ExitCode
from towline.plumbing.logs import configure_logs


def start(config_file: Path) -> int:
    """Check the configuration, then run until told to stop. Returns the exit code."""
    try:
        config = load(config_file)
        configure_logs(config.log_level)
        from collector.app import run  # noqa: PLC0415 - a wrong configuration is answered before anything else is loaded

        return run(config, config_file, lambda: load(config_file))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.CONFIG_ERROR


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, then start."""
    parser = argparse.ArgumentParser(prog="collector", description="Ship this pod's logs and metrics to an aggregator.")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="collector.yaml")
    return start(parser.parse_args(argv).config)


if __name__ == "__main__":
    sys.exit(main())
