"""The catalog is data: what it says of CloudStack's tables, and that an entity needs no code."""

import pytest

from region_operator.errors import InvalidInput
from region_operator.replication.catalog import (
    ACCOUNT,
    ADMIN_ACCOUNT,
    ADMIN_USER,
    CATALOG,
    DOMAIN,
    ROOT_DOMAIN,
    SYSTEM_ACCOUNT,
    SYSTEM_USER,
    USER,
    Column,
    Entity,
    Field,
    catalog,
)
from region_operator.replication.model import actor_of, local_write

USER_ROW = {
    "username": "jo",
    "password": "hash",
    "account_id": "a-1",
    "firstname": "Jo",
    "lastname": None,
    "email": "jo@x",
    "state": "enabled",
    "api_key": "k",
    "secret_key": "s",
    "timezone": None,
    "source": "UNKNOWN",
    "created": "2026-01-01 00:00:00",
    "removed": None,
}


def test_parents_come_first_and_the_owner_of_a_domain_is_deferred():
    assert list(CATALOG) == ["domain", "account", "user"]
    assert DOMAIN.deferred_references == {"owner": "account"}
    assert DOMAIN.field("owner").placeholder == SYSTEM_ACCOUNT


def test_every_column_has_exactly_one_place():
    for entity in CATALOG.values():
        places = [*entity.columns, *entity.excluded, *entity.derived, entity.key_column, entity.local_id]
        assert len(places) == len(set(places)), entity.name


@pytest.mark.parametrize(
    ("entity", "column"),
    [
        (ACCOUNT, "default_zone_id"),
        (ACCOUNT, "cleanup_needed"),
        (USER, "incorrect_login_attempts"),
        (USER, "key_for_2fa"),
        (USER, "registration_token"),
        (DOMAIN, "path"),
        (DOMAIN, "next_child_seq"),
        (DOMAIN, "id"),
        (USER, "uuid"),
    ],
)
def test_region_only_and_derived_columns_never_travel(entity, column):
    assert column not in entity.columns


@pytest.mark.rule("ENGINE 8")
def test_credentials_are_groups_of_their_own_and_secret():
    assert {field.name for field in USER.fields if field.secret} == {"password", "api_keys"}
    assert USER.values(USER_ROW, key="u-1")["api_keys"] == ("k", "s")
    assert [field.name for field in USER.fields_of_columns(["secret_key", "email"])] == ["email", "api_keys"]
    assert USER.field("api_keys").arrives(("k", None)) == {"api_key": "k", "secret_key": None}


@pytest.mark.rule("ENGINE 8")
def test_the_default_admin_travels_without_what_lets_one_sign_in_and_system_not_at_all():
    assert USER.values(USER_ROW, key=ADMIN_USER).keys() == USER.values(USER_ROW, key="u").keys() - {
        "password",
        "api_keys",
    }
    synced = [CATALOG[name].is_synced(key) for name, key in (("account", ADMIN_ACCOUNT), ("user", ADMIN_USER))]
    assert (synced, ACCOUNT.is_synced(SYSTEM_ACCOUNT), USER.is_synced(SYSTEM_USER)) == ([True, True], False, False)
    assert DOMAIN.is_synced(ROOT_DOMAIN)
    assert USER.is_synced("any")


def test_well_known_rows_are_found_by_columns_that_exist():
    for entity in CATALOG.values():
        for row in entity.well_known:
            assert row.match.keys() <= set(entity.columns)
            assert row.local_fields <= set(entity.field_names)


@pytest.mark.rule("ENGINE 5")
def test_a_state_without_a_field_that_its_row_must_have_is_noticed():
    values = USER.values(USER_ROW, key="u-1")
    del values["email"]
    state = local_write(None, entity="user", key="u-1", actor=actor_of(1, "aa"), changes=values)
    assert USER.missing_fields(state) == ("email",)
    admin = local_write(
        None, entity="user", key=ADMIN_USER, actor=actor_of(1, "aa"), changes=USER.values(USER_ROW, key=ADMIN_USER)
    )
    assert USER.missing_fields(admin) == ()


def test_default_roles_travel_and_custom_roles_stay():
    role = ACCOUNT.field("role_id")
    assert (role.travels({"role_id": 4}), role.travels({"role_id": 17}), role.travels({"role_id": None})) == (
        4,
        None,
        None,
    )
    assert role.arrives(4, current=17) == {"role_id": 4}
    assert role.arrives(None, current=17) == {"role_id": 17}
    assert role.arrives(None, current=4) == {"role_id": None}


def test_project_accounts_are_no_accounts_here():
    assert (ACCOUNT.row_filter.column, ACCOUNT.row_filter.excluded) == ("type", (5,))


@pytest.mark.parametrize(
    ("entity", "values", "problem"),
    [
        (USER, {"timezone": "x" * 31}, "timezone: holds 30 characters, the value has 31"),
        (USER, {"password": None}, "password: may not be NULL"),
        (USER, {"username": 7}, "username: is a text, not int"),
        (USER, {"api_keys": "k"}, "api_keys: 2 columns, the value has 1"),
        (USER, {"username": ("a", "b")}, "username: 1 columns, the value has 2"),
        (USER, {"account_id": 7}, "account_id: is a text, not int"),
        (ACCOUNT, {"type": "0"}, "type: is int, not str"),
    ],
)
def test_values_that_do_not_fit_are_named_without_showing_them(entity, values, problem):
    assert entity.problems(values) == (problem,)


def test_a_good_row_has_no_problems():
    assert USER.problems(USER.values(USER_ROW, key="u-1")) == ()


def gadget(**more) -> Entity:
    fields = (
        Field("label", (Column("label", max_length=20),)),
        Field("price", (Column("amount", "decimal"), Column("currency", max_length=3))),
        Field("owner", (Column("owner_id", "int"),), reference="account"),
    )
    return Entity(**{"name": "gadget", "table": "cloud_gadget", "fields": fields, **more})


def test_a_made_up_entity_is_a_value():
    entity = catalog([*CATALOG.values(), gadget(append_only=True, excluded=("shelf",))])["gadget"]
    assert entity.columns == ("label", "amount", "currency", "owner_id")
    assert (entity.references, [group.name for group in entity.groups]) == ({"owner": "account"}, ["price"])
    row = {"label": "x", "amount": "1.50", "currency": "EUR", "owner_id": "a-1"}
    assert entity.values(row, key="g-1") == {"label": "x", "price": ("1.50", "EUR"), "owner": "a-1"}


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        ({"excluded": ("label",)}, "label is there twice"),
        ({"removed": "removed"}, "has to be a field"),
        ({"fields": (Field("deleted", (Column("deleted"),)),)}, "may be called deleted"),
        ({"fields": (Field("r", (Column("a"), Column("b")), reference="account"),)}, "part of a group"),
    ],
)
def test_an_entity_that_contradicts_itself_cannot_be_made(broken, word):
    with pytest.raises(ValueError, match=word):
        gadget(**broken)


@pytest.mark.parametrize("name", ["x; DROP TABLE user", "a`b", "", "a b"])
def test_names_that_are_no_identifiers_never_become_an_entity(name):
    for where in ({"table": name}, {"key_column": name}, {"excluded": (name,)}):
        with pytest.raises(InvalidInput, match="identifier"):
            gadget(**where)


def test_a_reference_to_nowhere_is_refused():
    with pytest.raises(ValueError, match="owner refers to account"):
        catalog([gadget()])
