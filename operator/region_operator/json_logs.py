"""One JSON object per line on standard error, the same from every program."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter


def configure(level: str = "INFO", **always: str | int) -> None:
    """Send all records to standard error; ``always`` is on each line (program, region)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            datefmt="%Y-%m-%dT%H:%M:%S%z",
            static_fields=always,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
