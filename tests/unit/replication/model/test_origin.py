"""Whose writes a state brings, judged by the values that would come to stand."""

import pytest

from region_operator.replication.model import RowState, actor_of, adopt, genesis, local_write
from region_operator.replication.model.origin import MOST_WRITES_AT_ONCE, is_implausible, unaccepted_region
from region_operator.replication.model.vectors import VersionVector

ONE, TWO, THREE = (actor_of(region, "a" * 16) for region in (1, 2, 3))


def write(state: RowState | None, actor: str, **changes: str) -> RowState:
    return local_write(state, entity="user", key="k", actor=actor, changes=changes)


def refused(remote: RowState, local: RowState | None, *accepted: int, sender: int = 2) -> int | None:
    return unaccepted_region(remote, local, accepted=accepted, own=1, sender=sender)


@pytest.mark.rule("OPERATOR 17")
def test_a_new_value_of_a_region_that_is_not_named_is_not_accepted_whoever_sends_it():
    local = write(None, ONE, name="a", mail="m")
    remote = write(write(local, THREE, mail="x"), TWO, name="b")
    assert refused(remote, local, 2) == 3
    assert refused(remote, local, 2, 3) is None
    assert refused(remote, remote, 2) is None  # it is here already
    assert refused(local_write(local, entity="user", key="k", actor=THREE, changes={}, deleted=True), local, 2) == 3


@pytest.mark.rule("OPERATOR 17")
def test_what_somebody_accepted_has_superseded_does_not_count():
    local = write(None, ONE, mail="m")
    remote = write(write(local, THREE, mail="x"), TWO, mail="y")
    assert refused(remote, local, 2) is None


@pytest.mark.rule("OPERATOR 17")
def test_own_writes_are_always_accepted_and_what_bears_no_region_is_the_senders():
    assert refused(write(None, ONE, mail="m"), None) is None
    old = genesis(entity="user", key="k", values={"mail": "m"}, deleted=False)
    assert refused(old, None, 2) is None
    assert refused(old, None, 2, sender=3) == 3
    local = write(None, ONE, mail="m")
    winner = local_write(None, entity="user", key="a", actor=ONE, changes={"mail": "m"})
    assert refused(adopt(local, winner=winner), local, 2, sender=3) == 3


@pytest.mark.rule("OPERATOR 17")
def test_a_counter_that_leaps_is_implausible_and_one_that_grew_is_not():
    local = write(None, ONE, mail="m")

    def at(counter: int) -> RowState:
        return RowState("user", "k", local.born, VersionVector({ONE: counter}), local.registers)

    assert is_implausible(at(MOST_WRITES_AT_ONCE + 2), local)
    assert not is_implausible(at(MOST_WRITES_AT_ONCE + 1), local)
    assert is_implausible(at(2**53 - 1), None)
