"""Random histories on real databases: whatever people write and whenever links run, regions end alike and lose nothing.

Each history is drawn from a seed, so a failure is repeated by its number. ``HISTORIES`` in the environment runs more.
"""

import os
import random
from collections.abc import Callable

import pytest

from contract.replication.regions import Region, pull, settle

SEEDS = range(int(os.environ.get("HISTORIES", "3")))
STEPS = 40
SYNCED = {"email": "user", "firstname": "user", "password": "user", "network_domain": "account", "state": "account"}


class People:
    """Writes at random in one region and remembers every value it gave."""

    def __init__(self, region: Region, random_: random.Random) -> None:
        self.region, self.random, self.given = region, random_, 0

    def write(self) -> tuple[str, str, str, str] | None:
        """One write; returns (table, key, column, value) of an update."""
        action = self.random.choices(
            [self.domain, self.account, self.user, self.update, self.remove, self.rename, self.move, self.erase],
            [2, 4, 4, 20, 2, 2, 2, 1],
        )[0]
        return action()

    def new(self, kind: str) -> str:
        self.given += 1
        return f"{kind}-{self.region.id}-{self.given}"

    def pick(self, table: str) -> str | None:
        """A live row that people made (well-known ones have uuids of their own in each region)."""
        found = self.region.sql(
            f"SELECT uuid FROM `{table}` WHERE removed IS NULL AND uuid LIKE %s ORDER BY uuid", [f"{table[0]}-%-%"]
        )
        return str(self.random.choice(found)[0]) if found else None

    def domain(self) -> None:
        self.region.add_domain(self.new("d"), parent=self.pick("domain") if self.random.random() < 0.5 else None)

    def account(self) -> None:
        self.region.add_account(self.new("a"), domain=self.pick("domain"))

    def user(self) -> None:
        account = self.pick("account")
        if account:
            key = self.new("u")
            self.region.add_user(key, account=account, api_key=f"key of {key}" if self.random.random() < 0.5 else None)

    def update(self) -> tuple[str, str, str, str] | None:
        column = self.random.choice(sorted(SYNCED))
        key = self.pick(SYNCED[column])
        if key is None:
            return None
        self.given += 1
        value = f"{column}-{self.region.id}-{self.given}"
        if column == "state":
            value = self.random.choice(["enabled", "disabled", "locked"])
        self.region.sql(f"UPDATE `{SYNCED[column]}` SET {column} = %s WHERE uuid = %s", [value, key])
        return (SYNCED[column], key, column, value) if column != "state" else None

    def remove(self) -> None:
        table = self.random.choice(["account", "user"])
        key = self.pick(table)
        if key is not None:
            self.region.sql(f"UPDATE `{table}` SET removed = UTC_TIMESTAMP() WHERE uuid = %s", [key])

    def erase(self) -> None:
        key = self.pick("user")
        if key is not None:
            self.region.sql("DELETE FROM user WHERE uuid = %s", [key])

    def rename(self) -> None:
        key = self.pick("account")
        if key is not None:
            self.given += 1
            name = f"renamed-{self.region.id}-{self.given}"
            self.region.sql("UPDATE account SET account_name = %s WHERE uuid = %s", [name, key])

    def move(self) -> None:
        key, parent = self.pick("domain"), self.pick("domain")
        if key and parent and key not in self.ancestors(parent):
            (to,) = self.region.sql("SELECT id FROM domain WHERE uuid = %s", [parent])[0]
            self.region.sql("UPDATE domain SET parent = %s WHERE uuid = %s", [to, key])

    def ancestors(self, key: str) -> set[str]:
        """A row and what it lies under, as a cloud checks it before it moves a domain."""
        found = {key}
        above = "SELECT p.uuid FROM domain c JOIN domain p ON p.id = c.parent WHERE c.uuid = %s"
        while rows := self.region.sql(above, [key]):
            key = str(rows[0][0])
            found.add(key)
        return found


def live_under_live(region: Region) -> None:
    """No reference leads nowhere, and no path is endless."""
    assert region.sql("SELECT u.uuid FROM user u LEFT JOIN account a ON a.id = u.account_id WHERE a.id IS NULL") == []
    assert region.sql("SELECT a.uuid FROM account a LEFT JOIN domain d ON d.id = a.domain_id WHERE d.id IS NULL") == []
    parents = dict(region.sql("SELECT id, parent FROM domain"))
    for start in parents:
        seen, current = set(), start
        while current is not None:
            assert current not in seen, f"domain {start} is below itself"
            seen.add(current)
            current = parents[current]


@pytest.mark.parametrize("seed", SEEDS)
def test_regions_end_alike_and_lose_nothing(make_region: Callable[..., Region], seed: int) -> None:
    draw = random.Random(seed)
    regions = [make_region(number) for number in range(1, 2 + 1 + seed % 2)]
    settle(*regions)
    people = [People(region, draw) for region in regions]
    written: dict[tuple[str, str, str], set[str]] = {}
    for _ in range(STEPS):
        person = draw.choice(people)
        update = person.write()
        if update is not None:
            table, key, column, value = update
            written.setdefault((table, key, column), set()).add(value)
        if draw.random() < 0.3:
            target, source = draw.sample(regions, 2)
            pull(target, source, max_rows=draw.choice([1, 3, 1000]), fetch=draw.random() < 0.8)
        if draw.random() < 0.1:
            draw.choice(regions).reopen()
    settle(*regions)
    for region in regions:
        region.store.retry_parked()
        region.sync_sql("UPDATE parked SET next_try = UTC_TIMESTAMP(6)")
        region.store.retry_parked()
    settle(*regions)
    first = regions[0]
    for other in regions[1:]:
        assert first.states() == other.states()
    for region in regions:
        live_under_live(region)
        waiting = {parked.reason for parked in region.store.parked()}
        assert waiting <= {"Cycle"}, region.store.parked()
        assert region.sync_sql("SELECT COUNT(*) FROM dirty") == [(0,)]
        assert without_paths(region) == without_paths(first)
    # The last value that anybody gave a field, or one that was concurrent to it, is what is shown.
    for (table, key, column), values in written.items():
        shown = first.value(table, key, column)
        assert shown in values or shown is None or first.value(table, key, "removed") is not None


def without_paths(region: Region) -> dict[str, list[object]]:
    """Paths and counts of rows that people moved by hand in this test are not kept by anybody."""
    content = region.content()
    return {**content, "domain": [(*row[:3], *row[6:]) for row in content["domain"]]}
