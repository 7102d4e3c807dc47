"""Fixtures of the contract tests: a real MariaDB server per session."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.mariadb import MariaDBServer, running_server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDBServer]:
    """A real server; ``mariadb.fresh_schemas()`` gives a test schemas of its own."""
    directory = Path(tempfile.mkdtemp(prefix="mariadb-"))  # short: a socket's path has at most 107 characters
    try:
        with running_server(directory) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)
