"""The catalog is data: what it says of CloudStack's tables, and that an entity needs no code."""

import pytest

from region_operator.errors import InvalidInput
from region_operator.replication.catalog import (
    ACCOUNT,
    ADMIN_ACCOUNT,
    ADMIN_USER,
    CATALOG,
    DOMAIN,
    EVENT,
    PROJECT_MEMBER,
    ROLE,
    ROOT_DOMAIN,
    SYSTEM_ACCOUNT,
    SYSTEM_USER,
    TEMPLATE,
    USER,
    Column,
    Entity,
    Field,
    catalog,
    keys,
)
from region_operator.replication.catalog.roles import DEFAULT_ROLES, default_role
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
    order = list(CATALOG)
    for entity in CATALOG.values():
        for parent in set(entity.references.values()) - {entity.name}:
            assert order.index(parent) < order.index(entity.name)
    assert DOMAIN.deferred_references == {"owner": "account"}
    assert DOMAIN.field("owner").placeholder == SYSTEM_ACCOUNT


def test_every_column_has_exactly_one_place():
    for entity in CATALOG.values():
        places = [*entity.columns, *entity.excluded, *entity.own_columns]
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


def test_roles_that_an_installation_brings_are_targets_of_references_only():
    assert ACCOUNT.references["role_id"] == "role"
    assert not any(ROLE.is_synced(row.key) for row in ROLE.well_known)
    assert [row.key for row in ROLE.well_known if not row.optional] == [default_role(name) for name in DEFAULT_ROLES]
    assert ROLE.is_synced("a custom one")


def test_project_accounts_are_accounts_and_memberships_are_named_by_who_and_where():
    assert ACCOUNT.row_filter is None
    values = {"project_id": "p", "account_id": "a/b", "user_id": None}
    assert PROJECT_MEMBER.key_of(values) == "p/a~1b/"
    assert PROJECT_MEMBER.key_of({**values, "user_id": "u"}) == "p/a~1b/u"
    assert PROJECT_MEMBER.key_of({**values, "account_id": None}) is None
    assert USER.key_of(USER_ROW) is None


@pytest.mark.parametrize("parts", [("a", "b"), ("a/b", "~"), ("~1", "/~0"), ("a", None), (None, "b")])
def test_a_name_of_parts_has_one_meaning(parts):
    assert keys.split(keys.join(parts), 2) == parts


def test_a_text_of_other_parts_is_no_name():
    assert keys.split("a/b/c", 2) is None
    assert keys.split("a", 2) is None


def test_an_event_keeps_what_it_referred_to_for_the_other_may_be_purged():
    assert EVENT.append_only
    assert EVENT.is_stable({"start_id": None})
    assert not EVENT.is_stable({"start_id": "e-1"})
    assert DOMAIN.is_stable({"owner": "a-1"})


def test_a_template_arrives_with_a_guest_system_that_says_nothing_and_without_copies():
    assert TEMPLATE.initial == {"guest_os_id": 0}
    assert {"size", "state", "guest_os_id"} <= set(TEMPLATE.excluded)
    assert TEMPLATE.row_filter.column == "type"


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
        Field("owner_id", (Column("owner_id", "int"),), reference="account"),
    )
    return Entity(**{"name": "gadget", "table": "cloud_gadget", "fields": fields, **more})


def test_a_made_up_entity_is_a_value():
    entity = catalog([*CATALOG.values(), gadget(append_only=True, excluded=("shelf",))])["gadget"]
    assert entity.columns == ("label", "amount", "currency", "owner_id")
    assert (entity.references, [group.name for group in entity.groups]) == ({"owner_id": "account"}, ["price"])
    row = {"label": "x", "amount": "1.50", "currency": "EUR", "owner_id": "a-1"}
    assert entity.values(row, key="g-1") == {"label": "x", "price": ("1.50", "EUR"), "owner_id": "a-1"}


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        ({"excluded": ("label",)}, "label is there twice"),
        ({"removed": "removed"}, "has to be a field"),
        ({"fields": (Field("deleted", (Column("deleted"),)),)}, "may be called deleted"),
        ({"fields": (Field("r", (Column("a"), Column("b")), reference="account"),)}, "part of a group"),
        ({"fields": (Field("r", (Column("a"),), reference="account"),)}, "called like its column"),
        ({"initial": {"shelf": 1}}, "only excluded columns"),
        ({"part_of": "label"}, "is no reference"),
        ({"key_fields": ("label",)}, "either a key column or key fields"),
        ({"key_column": None}, "either a key column or key fields"),
        ({"key_column": None, "key_fields": ("shelf",)}, "has to be a field"),
        ({"key_column": None, "key_fields": ("price",)}, "one column of its name"),
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
    with pytest.raises(ValueError, match="owner_id refers to account"):
        catalog([gadget()])
