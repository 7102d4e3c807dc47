"""A region whose database server's clock jumps by hours ends as one whose clock is right."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.mariadb import MariaDBServer, running_server
from contract.replication.regions import pull, settle
from contract.replication.store_suite.clouds import Cloud, make_mariadb
from region_operator.replication.feed import FeedRequest, RowKey
from region_operator.replication.model import decode

LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")


@dataclass
class Clock:
    """The wall clock of a server under libfaketime; it reads the file at every look at the time."""

    file: Path

    def jump(self, hours: int) -> None:
        self.file.write_text(f"{hours:+d}h")


@pytest.fixture(scope="module")
def library() -> Path:
    found = [path for folder in LIBRARIES for path in Path(folder).glob("**/faketime/libfaketimeMT.so.1")]
    if not found:
        pytest.skip("libfaketime is not installed (Debian package faketime; `make test` installs it)")
    return found[0]


@pytest.fixture
def jumping(library: Path) -> Iterator[tuple[MariaDBServer, Clock]]:
    directory = Path(tempfile.mkdtemp(prefix="mariadb-"))
    clock = Clock(directory / "clock")
    clock.jump(0)
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock.file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # what a clock that is set does not touch
    }
    try:
        with running_server(directory, environment=environment) as server:
            yield server, clock
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def live(here: Cloud, there: Cloud, clock: Clock, *, jumps: tuple[int, int, int, int]) -> None:
    """Two regions write, disagree, delete and wait for parents, while one's clock jumps."""
    here.add_domain("sales")
    here.add_account("acme", domain="sales")
    here.add_user("jane", account="acme", api_key="k")
    settle(here, there)
    clock.jump(jumps[0])
    here.update("user", "jane", email="here@example", firstname="Here")
    there.update("user", "jane", email="there@example", lastname="There")
    settle(here, there)
    clock.jump(jumps[1])
    here.update("account", "acme", state="locked")
    there.update("account", "acme", state="disabled")
    here.erase("user", "jane")
    there.update("user", "jane", timezone="UTC")
    there.add_domain("more")
    there.add_account("late", domain="more")
    there.add_user("joe", account="late")
    there.fold()
    page = there.read(FeedRequest(peer=here.id, after=here.store.cursor(there.id)))
    # The child first: it waits here over the next jumps, and is tried in vain.
    here.store.apply_rows(there.id, there.store.read_rows([RowKey("user", "joe")]))
    clock.jump(jumps[2])
    here.store.retry_parked()
    clock.jump(jumps[3])
    here.store.retry_parked()
    assert here.store.counts().dead_lettered == 0
    assert page.next.lsn == page.head
    pull(here, there)
    here.update("user", "joe", email="after all jumps")
    settle(here, there)


def states(cloud: Cloud) -> dict[tuple[str, str], object]:
    """All states, without the times that clocks put into rows."""
    found = {}
    for row, text in cloud.states().items():
        state = decode(text)
        registers = {name: pairs for name, pairs in state.registers.items() if name not in ("created", "removed")}
        known = state.born.key.startswith("well-known")  # rows of the installation are named after its time
        found[row] = None if known else (state.vector, registers, state.deleted)
    return found


@pytest.mark.rule("ENGINE 29")
def test_a_region_whose_clock_jumps_by_hours_ends_as_one_whose_clock_is_right(
    jumping: tuple[MariaDBServer, Clock], mariadb: MariaDBServer
) -> None:
    server, clock = jumping
    ends = []
    for jumps in ((0, 0, 0, 0), (9, -30, 40, -7)):
        clock.jump(0)
        here, there = make_mariadb(server, 1), make_mariadb(mariadb, 2)
        try:
            live(here, there, clock, jumps=jumps)
            assert states(here) == states(there)
            assert here.content() == there.content()
            assert here.store.parked() == []
            records = {(r.row, r.field, r.kind, r.state) for r in here.store.conflicts(state=None)}
            ends.append((states(here), here.content(), {r for r in records if not r[0].key.startswith("well-known")}))
        finally:
            here.close()
            there.close()
    assert ends[0] == ends[1]
    assert ends[0][1]["user", "joe"]["email"] == "after all jumps"
