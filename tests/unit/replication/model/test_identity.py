"""Rows that are the same under two keys, and rows that are two under one key."""

import pytest

from region_operator.replication.model import (
    Born,
    EntityRuleSet,
    FieldRule,
    absorb,
    actor_of,
    adopt,
    clash_winner,
    decode,
    encode,
    final_key,
    genesis,
    key_reused,
    local_write,
    merge,
    project,
    renaming_region,
    whole_identity,
)
from unit.replication.histories import DELETED, FIELDS, World, values

A, B = (actor_of(region, "00000000000000aa") for region in (1, 2))


def account(key: str, actor: str, **changes):
    return local_write(None, entity="account", key=key, actor=actor, changes=changes)


@pytest.mark.rule("ENGINE 6")
def test_the_row_that_was_born_first_keeps_the_name_and_keys_break_ties():
    one, two = account("k-1", A, name="web"), account("k-2", A, name="web")
    later = local_write(two, entity="account", key="k-2", actor=B, changes={"name": "web"})
    assert clash_winner([later, one]) is one
    assert later.born == two.born == Born(1, A, "k-2")


@pytest.mark.rule("ENGINE 7")
def test_the_creating_region_renames_and_the_smallest_live_one_if_it_is_gone():
    loser = account("k-2", B, name="web")
    assert renaming_region(loser, live={1, 2, 3}) == 2
    assert renaming_region(loser, live={5, 3}) == 3
    assert renaming_region(genesis(entity="account", key="k", values={}, deleted=False), live={4, 9}) == 4
    assert renaming_region(loser, live=()) is None


@pytest.mark.rule("ENGINE 7")
def test_the_winner_gets_the_values_of_its_alias_as_concurrent_ones():
    winner, loser = account("k-1", A, name="web", mail="a@x"), account("k-2", B, name="web", mail="b@x")
    joined = absorb(winner, adopt(loser, winner=winner))
    assert [pair.value for pair in joined.registers["mail"]] == ["a@x", "b@x"]
    assert joined.registers["mail"][1].dot.actor == f"{B}@k-2"
    conflicts = project(joined, rules=EntityRuleSet("account", {"name": FieldRule(), "mail": FieldRule()})).conflicts
    assert [conflict.field for conflict in conflicts] == ["mail"]
    assert joined.born == winner.born


@pytest.mark.rule("ENGINE 7")
def test_a_late_write_to_the_alias_replaces_only_what_its_writer_had_seen():
    winner, loser = account("k-1", A, mail="a@x"), account("k-2", B, mail="b@x")
    alias = adopt(loser, winner=winner)
    joined = absorb(winner, alias)
    late = local_write(loser, entity="account", key="k-2", actor=B, changes={"mail": "late@x"})
    for way in (absorb(joined, merge(alias, late)), absorb(absorb(joined, alias), merge(late, alias))):
        assert [pair.value for pair in way.registers["mail"]] == ["a@x", "late@x"]
    decided = local_write(joined, entity="account", key="k-1", actor=A, changes={"mail": "decided"})
    assert absorb(decided, alias) == decided


@pytest.mark.rule("ENGINE 7")
def test_the_alias_is_part_of_the_state_and_the_earliest_adopter_binds():
    first, second = account("k-1", A, name="x"), account("k-2", A, name="x")
    loser = account("k-3", B, name="x")
    one, two = adopt(loser, winner=first), adopt(loser, winner=second)
    assert merge(two, one).alias_of == merge(one, two).alias_of == "k-1"
    assert merge(loser, two).alias_of == adopt(one, winner=second).alias_of.replace("k-1", "k-2") == "k-2"
    assert decode(encode(one)) == one


@pytest.mark.rule("ENGINE 7")
def test_a_row_is_never_adopted_by_one_that_was_born_later():
    older, younger = account("k-1", A, name="x"), account("k-2", A, name="x")
    with pytest.raises(ValueError, match="born after"):
        adopt(older, winner=younger)
    with pytest.raises(ValueError, match="no alias"):
        absorb(older, younger)


@pytest.mark.rule("ENGINE 7")
def test_aliases_are_followed_to_the_end_and_a_circle_has_one_end_too():
    chain = {"c": "b", "b": "a"}
    assert final_key("c", alias_of=chain.get) == "a"
    circle = {"x": "z", "z": "y", "y": "z"}
    assert {final_key(key, alias_of=circle.get) for key in circle} == {"y"}


@pytest.mark.rule("ENGINE 7")
def test_an_alias_of_an_alias_keeps_the_name_of_the_write_on_every_way():
    first, second, third = (account(f"k-{n}", actor, mail=f"{n}@x") for n, actor in enumerate((A, B, B), start=1))
    via = absorb(first, adopt(absorb(second, adopt(third, winner=second)), winner=first))
    straight = absorb(absorb(first, adopt(second, winner=first)), adopt(third, winner=first))
    assert via == straight


@pytest.mark.rule("ENGINE 7")
@pytest.mark.parametrize("regions", [2, 3])
@pytest.mark.parametrize("kind", ["created", "old"])
def test_adopted_rows_converge_and_lose_no_write_however_late(regions, kind):
    adopted = 0
    for seed in range(80):
        world = World(regions=regions, seed=seed)
        for key, region in (("p", world.regions[0]), ("q", world.regions[1])):
            world.populate(key, equal=seed % 2 == 0) if kind == "old" else world.write(region, key)
        for _ in range(6):
            world.step("p", "q")
        rows = [region.states[key] for region in world.regions for key in ("p", "q") if key in region.states]
        winner = min(rows, key=lambda state: state.born).key
        loser = "q" if winner == "p" else "p"
        for _ in range(14):
            world.step("p", "q")
            chooser = world.random.choice(world.regions)
            if chooser.states.keys() >= {"p", "q"} and chooser.states[winner].born < chooser.states[loser].born:
                world.adopt(chooser, loser=loser, winner=winner)
        world.heal()
        if world.regions[0].states[loser].alias is None:
            continue
        adopted += 1
        world.heal()
        first = world.regions[0]
        assert all(region.states == first.states for region in world.regions), f"seed {seed}"
        for name in (*FIELDS, DELETED):
            assert values(first.states[winner], name) == world.expected(first, winner, name), f"seed {seed}, {name}"
    assert adopted > 60


def old(entity: str, key: str, **values):
    return genesis(entity=entity, key=key, values=values, deleted=False)


def no_parent(_state, _field):
    return None


@pytest.mark.rule("ENGINE 8")
def test_one_key_for_two_old_accounts_is_noticed_and_one_account_grown_apart_is_not():
    here = old("account", "2", account_name="web", domain_id="1", state="enabled")
    other = old("account", "2", account_name="mail", domain_id="1", state="enabled")
    apart = old("account", "2", account_name="WEB", domain_id="1", state="locked")
    paths = {"account": ("account_name", "domain_id")}
    one, two, three = (whole_identity(state, paths=paths.get, parent=no_parent) for state in (here, other, apart))
    assert key_reused(here, other, identity_a=one, identity_b=two)
    assert not key_reused(here, apart, identity_a=one, identity_b=three)
    assert not key_reused(here, here, identity_a=one, identity_b=two)


@pytest.mark.rule("ENGINE 8")
def test_two_old_users_of_one_name_are_told_apart_by_the_domains_of_their_accounts():
    users = old("user", "3", username="jo", account_id="2"), old("user", "3", username="jo", account_id="2", mail="x")
    sides = {"1": old("account", "2", domain_id="d-1"), "2": old("account", "2", domain_id="d-2")}
    paths = {"user": ("username", "account_id.domain_id")}

    def parent_in(side):
        return lambda _state, field: sides[side] if field == "account_id" else None

    identities = [
        whole_identity(user, paths=paths.get, parent=parent_in(side)) for user, side in zip(users, "12", strict=True)
    ]
    assert identities == [("jo", "d-1"), ("jo", "d-2")]
    assert key_reused(*users, identity_a=identities[0], identity_b=identities[1])
    assert whole_identity(users[0], paths=paths.get, parent=no_parent) == ("jo", None)


@pytest.mark.rule("ENGINE 8")
def test_a_key_that_was_captured_is_never_suspected():
    captured = account("2", A, account_name="web", domain_id="1")
    assert not key_reused(captured, old("account", "2", account_name="x"), identity_a=("web",), identity_b=("x",))


@pytest.mark.rule("ENGINE 8")
def test_rows_are_known_by_all_that_they_are_in_up_to_the_root():
    paths = {"user": ("username", "account_id.domain_id"), "domain": ("parent", "name")}

    def known_as(user, *above):
        rows = {state.key: state for state in above}

        def parent(state, field):
            value = state.registers[field][0].value if field in ("account_id", "domain_id", "parent") else None
            return rows.get(value)

        return whole_identity(user, paths=lambda entity: paths[entity], parent=parent)

    user = old("user", "7", username="Jo", account_id="5")
    account, top = old("account", "5", domain_id="3"), old("domain", "2", name="sales", parent="ROOT")
    east, west = (old("domain", "3", name=name, parent="2") for name in ("east", "west"))
    assert known_as(user, account, east, top) == ("jo", (("root", "sales"), "east"))
    assert known_as(user, account, west, top) != known_as(user, account, east, top)
    other_top = old("domain", "2", name="staff", parent="ROOT")
    assert known_as(user, account, east, other_top) != known_as(user, account, east, top)
    circle = old("domain", "2", name="sales", parent="3")
    assert known_as(user, account, east, circle) == ("jo", (("3", "sales"), "east"))
