"""Random histories of roles, details, projects, templates and events on real databases: regions end alike.

Each history is drawn from a seed, so a failure is repeated by its number. ``HISTORIES`` in the environment runs more.
"""

import os
import random
from collections.abc import Callable

import pytest

from contract.replication.regions import Region, pull, settle

SEEDS = range(int(os.environ.get("HISTORIES", "2")))
STEPS = 40
NAMES = ("limit", "a/b", "c~d", "Limit")


class Things:
    """Writes at random in one region, as its cloud does."""

    def __init__(self, region: Region, random_: random.Random) -> None:
        self.region, self.random, self.given = region, random_, 0
        self.purged: set[str] = set()

    def write(self) -> None:
        people = (self.detail, self.detail, self.forget_detail, self.replace_detail)
        roles = (self.role, self.permission, self.grant)
        projects = (self.project, self.suspend, self.member, self.leave)
        self.random.choice([*people, *roles, *projects, self.template, self.describe, self.event, self.purge])()

    def new(self, kind: str) -> str:
        self.given += 1
        return f"{kind}-{self.region.id}-{self.given}"

    def pick(self, table: str, condition: str = "removed IS NULL") -> str | None:
        found = self.region.sql(f"SELECT uuid FROM `{table}` WHERE {condition} AND uuid LIKE '%-%-%' ORDER BY uuid")
        made = [str(uuid) for (uuid,) in found if len(str(uuid)) < 30]
        return self.random.choice(made) if made else None

    def account(self) -> str:
        return self.random.choice(["acme", "zeta"])

    def detail(self) -> None:
        account, name, value = self.account(), self.random.choice(NAMES), self.new("v")
        condition = "account_id = (SELECT id FROM account WHERE uuid = %s) AND BINARY name = %s"
        if not self.region.sql(f"SELECT 1 FROM account_details WHERE {condition}", [account, name]):
            self.region.insert("account_details", account_id=account, name=name, value=value)
        else:
            self.region.sql(f"UPDATE account_details SET value = %s WHERE {condition}", [value, account, name])

    def forget_detail(self) -> None:
        self.region.sql("DELETE FROM account_details WHERE BINARY name = %s", [self.random.choice(NAMES)])

    def replace_detail(self) -> None:
        """As CloudStack saves details: all go and come again."""
        account = self.account()
        self.region.writer.begin()
        self.region.sql(
            "DELETE FROM account_details WHERE account_id = (SELECT id FROM account WHERE uuid = %s)", [account]
        )
        for name in self.random.sample(NAMES[:3], 2):
            self.region.insert("account_details", account_id=account, name=name, value=self.new("v"))
        self.region.writer.commit()

    def role(self) -> None:
        self.region.add_role(self.new("role"))

    def permission(self) -> None:
        if role := self.pick("roles"):
            key = self.new("p")
            self.region.insert("role_permissions", uuid=key, role_id=role, rule=key, permission="ALLOW", sort_order=1)

    def grant(self) -> None:
        if role := self.pick("roles"):
            self.region.sql(
                "UPDATE account SET role_id = (SELECT id FROM roles WHERE uuid = %s) WHERE uuid = %s",
                [role, self.account()],
            )

    def project(self) -> None:
        self.region.add_project(self.new("project"), owner=self.account())

    def suspend(self) -> None:
        if project := self.pick("projects"):
            state = self.random.choice(["Active", "Suspended"])
            self.region.sql("UPDATE projects SET state = %s WHERE uuid = %s", [state, project])

    def member(self) -> None:
        if project := self.pick("projects"):
            self.region.sql(
                "INSERT IGNORE INTO project_account "
                "(project_id, account_id, user_id, project_account_id, account_role) "
                "SELECT p.id, a.id, u.id, p.project_account_id, 'Regular' FROM projects p, account a, user u "
                "WHERE p.uuid = %s AND a.uuid = %s AND u.uuid = 'jane'",
                [project, self.account()],
            )

    def leave(self) -> None:
        if project := self.pick("projects"):
            self.region.sql(
                "DELETE m FROM project_account m JOIN projects p ON p.id = m.project_id "
                "WHERE p.uuid = %s AND m.account_role = 'Regular'",
                [project],
            )

    def template(self) -> None:
        source = {"source_template_id": source} if (source := self.pick("vm_template")) else {}
        self.region.add_template(self.new("template"), account=self.account(), **source)

    def describe(self) -> None:
        if template := self.pick("vm_template"):
            self.region.sql("UPDATE vm_template SET display_text = %s WHERE uuid = %s", [self.new("text"), template])
            if not self.region.sql("SELECT 1 FROM vm_template_details d JOIN vm_template t ON t.id = d.template_id"):
                self.region.insert("vm_template_details", template_id=template, name="nic", value=self.new("v"))

    def event(self) -> None:
        start = self.pick("event", "TRUE") or 0
        self.region.add_event(self.new("event"), account=self.account(), user="jane", start=start)

    def purge(self) -> None:
        if event := self.pick("event", "TRUE"):
            self.region.sql("DELETE FROM event WHERE uuid = %s", [event])
            self.purged.add(event)


@pytest.mark.parametrize("seed", SEEDS)
def test_regions_end_alike_in_all_that_is_exchanged(make_region: Callable[..., Region], seed: int) -> None:
    draw = random.Random(seed)
    regions = [make_region(number) for number in range(1, 2 + 1 + seed % 2)]
    for account in ("acme", "zeta"):
        regions[0].add_account(account)
    regions[0].add_user("jane", account="acme")
    settle(*regions)
    things = [Things(region, draw) for region in regions]
    for _ in range(STEPS):
        draw.choice(things).write()
        if draw.random() < 0.3:
            target, source = draw.sample(regions, 2)
            pull(target, source, max_rows=draw.choice([1, 3, 1000]), fetch=draw.random() < 0.8)
        if draw.random() < 0.1:
            draw.choice(regions).reopen()
    for _ in range(2):
        settle(*regions)
        for region in regions:
            region.sync_sql("UPDATE parked SET next_try = UTC_TIMESTAMP(6)")
            region.store.retry_parked()
    settle(*regions)
    first, events = regions[0], set[str]()
    for region in regions:
        assert [(one.row, one.reason) for one in region.store.parked() if one.reason != "DeferredReference"] == []
        assert region.sync_sql("SELECT COUNT(*) FROM dirty") == [(0,)]
        assert rows_of(region) == rows_of(first)
        assert without_events(region.states()) == without_events(first.states())
        events |= {str(row[0]) for row in region.content()["event"]}
    for region, thing in zip(regions, things, strict=True):
        # Each region has all events that any has, but for those that it purged itself.
        assert {str(row[0]) for row in region.content()["event"]} == events - thing.purged


def rows_of(region: Region) -> dict[str, list[str]]:
    """Rows without events; in an order of bytes, for the collation does not tell `limit` from `Limit`."""
    return {table: sorted(map(str, rows)) for table, rows in region.content().items() if table != "event"}


def without_events(states: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    return {row: state for row, state in states.items() if row[0] != "event"}
