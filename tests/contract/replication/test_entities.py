"""Every kind of row of the catalog on real servers: roles, details, projects, events, templates, and a made-up one."""

from collections.abc import Callable

import pytest

from contract.replication.regions import Region, pull, settle
from region_operator.replication.catalog import CATALOG, Cascade, Column, Entity, Field, RowFilter, Unique, catalog
from region_operator.replication.catalog.columns import number, reference, text
from region_operator.replication.feed import RowKey


def share_people(*regions: Region) -> None:
    regions[0].add_account("acme")
    regions[0].add_user("jane", account="acme")
    settle(*regions)


def fill(region: Region) -> None:
    """One row or more of each kind."""
    region.add_domain("sales")
    region.add_role("auditor")
    region.insert("role_permissions", uuid="p-1", role_id="auditor", rule="list*", permission="ALLOW", sort_order=0)
    region.add_account("acme", domain="sales")
    region.sql("UPDATE account SET role_id = (SELECT id FROM roles WHERE uuid = 'auditor') WHERE uuid = 'acme'")
    region.insert("account_details", account_id="acme", name="a/b~c", value="x")
    region.add_user("jane", account="acme")
    region.add_project("apollo", owner="acme")
    region.insert(
        "project_account",
        project_id="apollo",
        account_id="acme",
        user_id="jane",
        project_account_id="account of apollo",
        account_role="Regular",
    )
    region.add_template("debian", account="acme", display_text="Debian 13")
    region.add_template("derived", account="account of apollo", source_template_id="debian")
    region.insert("vm_template_details", template_id="debian", name="nic", value="virtio")
    region.add_event("e-1", account="acme", user="jane")
    region.add_event("e-2", account="account of apollo", user="jane", start="e-1")


def test_every_kind_of_row_reaches_a_region_that_has_none(two: tuple[Region, Region]) -> None:
    here, there = two
    there.add_account("shifts the local numbers")
    fill(here)
    settle(here, there)
    assert there.content() == here.content()
    assert there.states() == here.states()
    assert [name for name, rows in there.content().items() if not rows] == []
    assert [parked for region in two for parked in region.store.parked()] == []


def test_rows_that_were_there_before_a_region_was_prepared_travel_too(make_region: Callable[..., Region]) -> None:
    here, there = make_region(1, prepared=False), make_region(2)
    fill(here)
    here.prepare()
    here.open()
    settle(here, there)
    assert there.content() == here.content()
    assert there.states() == here.states()


def test_both_sides_fill_at_once_and_end_equal(two: tuple[Region, Region]) -> None:
    here, there = two
    share_people(here, there)
    for region, name in ((here, "h"), (there, "t")):
        region.insert("account_details", account_id="acme", name=f"own of {name}", value="1")
        region.insert("account_details", account_id="acme", name="common", value=name)
        region.add_project(name, owner="acme")
        region.add_event(f"event {name}", account="acme", user="jane")
        region.add_template(f"template {name}", account="acme")
        region.add_role(f"role {name}")
    settle(here, there)
    assert there.content() == here.content()
    assert there.states() == here.states()
    # One name in one account is one row: two values of it are a conflict of that row.
    (common,) = [c for c in here.store.conflicts(state=None) if c.row.entity == "account_detail"]
    assert (common.row.key, common.field) == ("acme/common", "value")


def test_details_that_are_deleted_and_made_anew_are_an_update(two: tuple[Region, Region]) -> None:
    here, there = two
    share_people(here, there)
    here.insert("account_details", account_id="acme", name="limit", value="1")
    settle(here, there)
    here.writer.begin()
    here.sql("DELETE FROM account_details")
    here.insert("account_details", account_id="acme", name="limit", value="2")
    here.writer.commit()
    settle(here, there)
    assert there.sql("SELECT name, value FROM account_details") == [("limit", "2")]
    there.sql("DELETE FROM account_details")
    settle(here, there)
    assert here.sql("SELECT * FROM account_details") == []
    here.insert("account_details", account_id="acme", name="limit", value="3")
    settle(here, there)
    assert there.sql("SELECT name, value FROM account_details") == [("limit", "3")]


def test_a_detail_that_is_renamed_is_another_row(two: tuple[Region, Region]) -> None:
    here, there = two
    share_people(here, there)
    here.insert("account_details", account_id="acme", name="old", value="1")
    settle(here, there)
    here.sql("UPDATE account_details SET name = 'new'")
    settle(here, there)
    assert there.sql("SELECT name, value FROM account_details") == [("new", "1")]


@pytest.mark.rule("ENGINE 15")
def test_rows_follow_one_that_is_given_another_key(two: tuple[Region, Region]) -> None:
    here, there = two
    fill(here)
    settle(here, there)
    for table, key in (("account", "acme"), ("domain", "sales"), ("projects", "apollo"), ("vm_template", "debian")):
        here.sql(f"UPDATE {table} SET uuid = CONCAT('new ', uuid) WHERE uuid = %s", [key])
        settle(here, there)
    assert here.store.parked() == there.store.parked() == []
    assert there.value("account", "acme", "removed") is not None
    assert there.sql("SELECT a.uuid, d.name FROM account_details d JOIN account a ON a.id = d.account_id") == [
        ("new acme", "a/b~c")
    ]
    ours, theirs = here.content(), there.content()
    for rows in (ours, theirs):  # of what ended, projects stand with the time of their end
        rows["projects"] = [row for row in rows["projects"] if row[0] != "apollo"]
        rows["vm_template"] = [row for row in rows["vm_template"] if row[0] != "debian"]
    assert theirs == ours
    assert there.states() == here.states()


@pytest.mark.rule("ENGINE 16")
def test_what_a_foreign_key_takes_with_it_goes_everywhere(two: tuple[Region, Region]) -> None:
    here, there = two
    fill(here)
    settle(here, there)
    # The project's account takes the project with it, and the project its memberships.
    here.sql("DELETE FROM account WHERE uuid = 'account of apollo'")
    settle(here, there)
    assert there.sql("SELECT * FROM project_account") == []
    assert there.value("projects", "apollo", "removed") is not None


def test_a_name_that_is_too_long_for_a_key_stays_and_stops_no_writer(two: tuple[Region, Region]) -> None:
    here, there = two
    share_people(here, there)
    here.insert("account_details", account_id="acme", name="n" * 255, value="1")
    here.insert("account_details", account_id="acme", name="short", value="1")
    settle(here, there)
    assert there.sql("SELECT name FROM account_details") == [("short",)]
    (finding,) = here.prepare().findings
    assert (finding.entity, finding.reason, finding.held_back) == ("account_detail", "KeyTooLong", False)
    for word in ("1 rows of table account_details", "account_id and name", "(id 1)", "shorten"):
        assert word in finding.message


def test_default_roles_are_referred_to_by_name_and_nothing_of_them_travels(two: tuple[Region, Region]) -> None:
    here, there = two
    there.sql("UPDATE roles SET id = id + 100 ORDER BY id DESC")  # other numbers, as a custom installation may have
    there.sql("UPDATE account SET role_id = 101")
    there.sync_sql("DELETE FROM well_known WHERE entity = 'role'")
    there.prepare()
    there.reopen()
    here.add_account("acme")
    here.insert("role_permissions", uuid="p-1", role_id=4, rule="*", permission="ALLOW")
    here.sql("UPDATE roles SET description = 'changed here' WHERE id = 4")
    settle(here, there)
    assert there.value("account", "acme", "role_id") == 104
    assert there.sql("SELECT * FROM role_permissions") == []
    assert there.sql("SELECT description FROM roles WHERE id = 104") == [("Default user role",)]


def test_an_account_waits_for_its_custom_role(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_role("auditor")
    here.sql("UPDATE account SET role_id = (SELECT id FROM roles WHERE uuid = 'auditor') WHERE uuid = 'acme'")
    outcomes = pull(there, here, max_rows=1, fetch=False)
    assert there.content()["account"] == here.content()["account"]
    assert sum(outcome.parked for outcome in outcomes) <= 1


def test_templates_of_the_installation_stay_and_others_arrive_without_a_guest_system(
    two: tuple[Region, Region],
) -> None:
    here, there = two
    share_people(here, there)
    here.add_template("system vm", account="acme", type="SYSTEM")
    here.insert("vm_template_details", template_id="system vm", name="nic", value="virtio")
    here.add_template("debian", account="acme", size=7)
    settle(here, there)
    assert there.sql("SELECT uuid, guest_os_id, size FROM vm_template") == [("debian", 0, None)]
    assert there.sql("SELECT * FROM vm_template_details") == []
    there.sql("UPDATE vm_template SET guest_os_id = 5")
    here.sql("UPDATE vm_template SET name = 'Debian' WHERE uuid = 'debian'")
    settle(here, there)
    assert there.sql("SELECT name, guest_os_id FROM vm_template") == [("Debian", 5)]


def test_archiving_an_event_concerns_one_region(two: tuple[Region, Region]) -> None:
    here, there = two
    share_people(here, there)
    here.add_event("e-1", account="acme", user="jane")
    settle(here, there)
    there.sql("UPDATE event SET archived = 1")
    settle(here, there)
    assert here.sql("SELECT archived FROM event") == [(0,)]
    assert here.states() == there.states()


GADGET = Entity(
    name="gadget",
    table="own_gadget",
    fields=(
        text("label", 20, nullable=False),
        Field("price", (Column("amount", "decimal"), Column("currency", max_length=3))),
        reference("account_id", "account"),
        reference("twin", "gadget", nullable=True, deferred=True),
        number("kind"),
    ),
    key_column="code",
    local_id="number",
    excluded=("shelf",),
    initial={"shelf": "unsorted"},
    row_filter=RowFilter("kind", (9,)),
    cascades=(Cascade("account", "account_id", "Delete"),),
    unique=(Unique(("label",)),),
)
GADGET_NOTE = Entity(
    name="gadget_note",
    table="own_gadget_note",
    fields=(
        reference("gadget_number", "gadget"),
        text("line", 40, nullable=False),
        text("words", 40),
    ),
    key_column=None,
    key_fields=("gadget_number", "line"),
    part_of="gadget_number",
    append_only=True,
)
TABLES = (
    "CREATE TABLE own_gadget (number INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(40) UNIQUE, "
    "label VARCHAR(20) NOT NULL, "
    "amount DECIMAL(10,2), currency CHAR(3), account_id BIGINT UNSIGNED NOT NULL, twin INT, kind INT NOT NULL, "
    "shelf VARCHAR(10) NOT NULL, further INT NOT NULL DEFAULT 1, "
    "CONSTRAINT own FOREIGN KEY (account_id) REFERENCES account (id) ON DELETE CASCADE)",
    "CREATE TABLE own_gadget_note (id INT AUTO_INCREMENT PRIMARY KEY, gadget_number INT NOT NULL, "
    "line VARCHAR(40) NOT NULL, words VARCHAR(40))",
)


def test_a_made_up_entity_needs_no_code_of_the_engine(make_region: Callable[..., Region]) -> None:
    entities = catalog([*CATALOG.values(), GADGET, GADGET_NOTE])
    here, there = regions = [make_region(number, prepared=False, catalog=entities) for number in (1, 2)]
    for region in regions:
        for statement in TABLES:
            region.sql(statement)
        region.prepare()
        region.open()
    there.sql("ALTER TABLE own_gadget AUTO_INCREMENT = 1000")
    here.add_account("acme")
    for code, kind in (("g-1", 1), ("g-2", 1), ("stays", 9)):
        here.insert(
            "own_gadget",
            code=code,
            label=code,
            amount="1.50",
            currency="EUR",
            account_id="acme",
            kind=kind,
            shelf="top",
        )
    here.sql("UPDATE own_gadget SET twin = 2 WHERE code = 'g-1'")
    here.sql("INSERT INTO own_gadget_note (gadget_number, line, words) VALUES (1, 'a/1', 'first'), (3, 'a/1', 'stays')")
    settle(here, there)
    look = (
        "SELECT g.code, g.amount, g.currency, t.code, g.shelf, n.line, n.words FROM own_gadget g "
        "LEFT JOIN own_gadget t ON t.number = g.twin "
        "LEFT JOIN own_gadget_note n ON n.gadget_number = g.number ORDER BY 1"
    )
    assert [[str(value) for value in row] for row in there.sql(look)] == [
        ["g-1", "1.50", "EUR", "g-2", "unsorted", "a/1", "first"],
        ["g-2", "1.50", "EUR", "None", "unsorted", "None", "None"],
    ]
    # Halves of a group never mix, unlike fields merge, and what is purged of the notes stays where others have it.
    here.sql("UPDATE own_gadget SET amount = 2 WHERE code = 'g-1'")
    there.sql("UPDATE own_gadget SET currency = 'USD', label = 'there' WHERE code = 'g-1'")
    here.sql("DELETE FROM own_gadget_note")
    settle(here, there)
    purged = RowKey("gadget_note", "g-1/a~11")
    assert here.states() == {row: state for row, state in there.states().items() if row != (purged.entity, purged.key)}
    price = there.sql("SELECT amount, currency FROM own_gadget WHERE code = 'g-1'")
    assert price == here.sql("SELECT amount, currency FROM own_gadget WHERE code = 'g-1'")
    assert [[str(value) for value in row] for row in price] in ([["2.00", "EUR"]], [["1.50", "USD"]])
    assert there.sql("SELECT COUNT(*) FROM own_gadget_note") == [(1,)]
    there.sql("DELETE FROM account WHERE uuid = 'acme'")
    settle(here, there)
    assert here.sql("SELECT code FROM own_gadget") == [("stays",)]
