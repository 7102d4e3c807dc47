"""A region whose volume is put back as it was: no number is given twice, and what peers had comes back."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.mariadb import MariaDBServer, running_server
from contract.replication.regions import pull, settle
from contract.replication.store_suite.clouds import MariaDBCloud, make_mariadb


@pytest.fixture
def server() -> Iterator[MariaDBServer]:
    """A server of its own, because everything on it goes back in time."""
    directory = Path(tempfile.mkdtemp(prefix="mariadb-"))
    try:
        with running_server(directory) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def put_back(cloud: MariaDBCloud, copy: Path) -> None:
    """The volume is what it was when the copy was made; whatever ran on it is gone."""
    cloud.store.close()
    cloud.server.kill()
    shutil.rmtree(cloud.server.directory / "data")
    shutil.copytree(copy, cloud.server.directory / "data")
    cloud.server.start()
    cloud.open()


@pytest.mark.rule("ENGINE 11")
def test_a_volume_that_is_put_back_twice_reuses_no_number_and_gets_back_what_its_peer_had(
    server: MariaDBServer, mariadb: MariaDBServer, tmp_path: Path
) -> None:
    here, there = make_mariadb(server, 1), make_mariadb(mariadb, 2)
    try:
        here.add_account("acme")
        here.add_user("jane", account="acme")
        settle(here, there)
        server.stop()
        copy = Path(shutil.copytree(server.directory / "data", tmp_path / "copy"))
        server.start()
        for round_, is_cut in (("first", False), ("second", True)):
            here.update("user", "jane", email=f"{round_}@example")
            here.add_user(round_, account="acme")
            here.fold()
            if not is_cut:
                pull(there, here)
            put_back(here, copy)
            here.update("user", "jane", lastname=round_)  # under the number of the write that was lost
            settle(here, there)
            assert here.store.status().history_intact == "Restored"
            assert here.store.parked() == there.store.parked() == []
            assert here.states() == there.states()
            assert here.content() == there.content()
        # What no peer had seen is gone with the disk.
        assert {key for _, key in here.content()} == {"acme", "jane", "first"}
        assert there.value("user", "jane", "email") == "first@example"
        assert there.value("user", "jane", "lastname") == "second"
    finally:
        here.close()
        there.close()
