"""Fixtures of the contract tests: a real MariaDB server for the tests of a module."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.mariadb import MariaDBServer, running_server


@pytest.fixture(scope="session")
def installed_data() -> Iterator[Path]:
    """The data directory of a server that was installed and stopped: servers start on copies of it."""
    with temporary_directory() as directory, running_server(directory) as server:
        server.stop()
        yield directory / "data"


@pytest.fixture(scope="module")
def mariadb(installed_data: Path) -> Iterator[MariaDBServer]:
    """A real server; ``mariadb.fresh_schemas()`` gives a test schemas of its own."""
    with temporary_directory() as directory, running_server(directory, installed=installed_data) as server:
        yield server


@contextmanager
def temporary_directory() -> Iterator[Path]:
    # Its name is short: a socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="mariadb-") as directory:
        yield Path(directory)
