import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_operator.controller.facts import Meta, ObjectRef, SecretFacts, digest
from region_operator.controller.plan import secrets
from region_operator.controller.plan.labels import Site
from region_operator.controller.plan.secrets import DatabaseUsers, init_sql
from region_operator.controller.plan.steps import Patch
from region_operator.errors import InvalidInput

SITE = Site("hub", "clouds", "eu", 1, "clouds")
KEY = b"digest key"
MANAGED = DatabaseUsers(paired=("agent", "manager"), admin=True, copied={})


class Generator:
    """Counts what it makes: a password that is not asked for is not made."""

    def __init__(self):
        self.made = 0

    def __call__(self):
        self.made += 1
        return f"random-{self.made}"


def decoded(data):
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def created(users=MANAGED):
    manifest = secrets.database_secret(SITE, users, key=KEY, generate=Generator()).manifest
    return decoded(manifest["data"]), manifest["metadata"].get("annotations", {})


def seen(values, annotations):
    meta = Meta(ObjectRef("Secret", "clouds", "eu-database"), "uid", resource_version="7", annotations=annotations)
    digests = {key: digest(KEY, value.encode()) for key, value in values.items()}
    return SecretFacts(meta, digests, {key: value.encode() for key, value in values.items()})


def patched(values, annotations, users=MANAGED):
    generator = Generator()
    steps = secrets.database_secret_patch(users, seen(values, annotations), key=KEY, generate=generator)
    for step in steps:
        assert isinstance(step, Patch)
        values = {**values, **decoded(step.body.get("data", {}))}
        annotations = {**annotations, **step.body.get("metadata", {}).get("annotations", {})}
    return values, annotations, generator.made


def test_every_password_is_made_once_and_is_another():
    values, _ = created()
    passwords = [value for key, value in values.items() if key.endswith("password")]
    assert len(set(passwords)) == 3


def test_a_secret_that_nobody_edited_is_left_alone():
    values, annotations = created()
    assert patched(values, annotations) == (values, annotations, 0)


@pytest.mark.rule("OPERATOR 21")
@given(st.text(min_size=1, max_size=30), st.sampled_from(["agent", "manager"]))
def test_an_edit_flips_the_user_once(password, user):
    values, annotations = created()
    values[f"{user}-password"] = password + "!"
    after, notes, made = patched(values, annotations)
    assert after[f"{user}-username"] == f"{user}_b"
    assert after[f"{user}-password"] == password + "!"
    assert notes[f"region-operator.io/{user}-revision"] == "2"
    assert made == 0
    assert patched(after, notes) == (after, notes, 0)


def test_edits_go_back_and_forth_and_each_is_a_revision_of_its_own():
    values, annotations = created()
    for number in range(2, 6):
        values["agent-password"] = f"edit {number}"
        values, annotations, _ = patched(values, annotations)
        assert values["agent-username"] == ("agent_b" if number % 2 == 0 else "agent_a")
        assert annotations["region-operator.io/agent-revision"] == str(number)


def test_a_password_that_was_deleted_is_made_anew_for_the_other_user():
    values, annotations = created()
    del values["manager-password"]
    after, _, made = patched(values, annotations)
    assert (after["manager-username"], made) == ("manager_b", 1)


def test_a_secret_without_our_notes_is_taken_as_it_is():
    values, _ = created()
    after, notes, made = patched(values, {})
    assert (after, made) == (values, 0)
    assert "region-operator.io/agent-digest" in notes
    assert "region-operator.io/agent-revision" not in notes


def test_a_name_that_is_no_user_of_the_pair_is_put_back():
    values, annotations = created()
    values["agent-username"] = "root"
    after, _, _ = patched(values, annotations)
    assert after["agent-username"] == "agent_a"


def test_an_edit_of_the_admins_password_reaches_what_the_server_runs_at_start():
    values, annotations = created()
    values["admin-password"] = "by hand"
    after, _, _ = patched(values, annotations)
    assert after["init.sql"] == init_sql("region_admin", "by hand")


def test_an_edited_init_sql_is_put_back():
    values, annotations = created()
    after, _, _ = patched({**values, "init.sql": "DROP DATABASE cloud;"}, annotations)
    assert after["init.sql"] == values["init.sql"]


def test_given_users_follow_their_own_secret():
    users = DatabaseUsers(paired=("manager",), admin=False, copied={"agent": ("cloud", "one")})
    values, annotations = created(users)
    assert set(values) == {"manager-username", "manager-password", "agent-username", "agent-password"}
    changed = DatabaseUsers(paired=("manager",), admin=False, copied={"agent": ("cloud", "two")})
    after, _, made = patched(values, annotations, changed)
    assert (after["agent-password"], after["manager-username"], made) == ("two", "manager_a", 0)


@given(st.text(max_size=80))
def test_no_password_can_be_read_as_sql(password):
    statements = init_sql("region_admin", password)
    hashes = set(re.findall(r"\*[0-9A-F]{40}", statements))
    assert len(hashes) == 1
    assert statements.replace(hashes.pop(), "") == init_sql("region_admin", "").replace(
        re.findall(r"\*[0-9A-F]{40}", init_sql("region_admin", ""))[0], ""
    )


@pytest.mark.parametrize("name", ["", "a'b", "a`b", "a b", "a;b", "a\nb", "A", "é", "a" * 64, "a\\"])
def test_a_name_that_could_be_sql_is_refused(name):
    with pytest.raises(InvalidInput, match="admin-username"):
        init_sql(name, "x")


def test_a_copy_follows_its_source_and_loses_what_the_source_lost():
    copy = seen({"ca.crt": "old", "extra": "x"}, {})
    (patch,) = secrets.copy_steps(SITE, "eu-database-tls", {"ca.crt": b"new"}, copy, key=KEY)
    assert patch.body["data"]["extra"] is None
    assert decoded({"ca.crt": patch.body["data"]["ca.crt"]}) == {"ca.crt": "new"}
    same = seen({"ca.crt": "new"}, {})
    assert secrets.copy_steps(SITE, "eu-database-tls", {"ca.crt": b"new"}, same, key=KEY) == []


def test_secret_values_stay_out_of_every_repr():
    step = secrets.database_secret(SITE, MANAGED, key=KEY, generate=lambda: "canary")
    encoded = base64.b64encode(b"canary").decode()
    facts = seen({"admin-password": "canary"}, {})
    for text in (repr(step), repr(facts)):
        assert "canary" not in text
        assert encoded not in text
