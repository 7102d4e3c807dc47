"""A RegionPeering in states that nobody thought of."""

from dataclasses import replace
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from region_operator.api.agent import LinkReason, LinkState
from region_operator.api.conditions import Finding, is_declared
from region_operator.api.reasons import REGION_PEERING
from region_operator.controller.facts import Unknown
from unit.controller.status.gitops import argo_health, kstatus
from unit.controller.status.peerings import Watch, agent, link, peering, side

AGES = st.one_of(st.none(), st.integers(0, 200_000))


LINKS = st.builds(
    link,
    st.just(1),
    state=st.sampled_from(get_args(LinkState)),
    reason=st.sampled_from(get_args(LinkReason)),
    contact_age_ms=AGES, bad_age_ms=AGES, good_age_ms=AGES, lag_ms=AGES, pending_changes=AGES,
    registered=st.sampled_from([True, False, None]), parked=st.integers(0, 9),
)  # fmt: skip


SIDES = st.one_of(
    st.none(),
    st.just(Unknown("NotObserved", "not looked at yet")),
    st.builds(
        side,
        st.just(2),
        st.one_of(st.none(), st.builds(agent, st.just(2), LINKS, generation=st.integers(0, 2))),
        age_s=st.floats(0, 200),
        silent=st.booleans(),
    ),
)


STATES = st.builds(
    lambda second, **more: replace(peering(**more), sides=(peering().sides[0], second)),
    SIDES,
    mode=st.sampled_from(["Active", "Active", "Suspended"]),
    paused=st.booleans(),
    deleting=st.booleans(),
    deleting_age_s=st.floats(0, 700),
)


@given(st.lists(STATES, min_size=1, max_size=4))
def test_in_any_state_it_says_what_users_were_told_of_and_gitops_tools_read_it_rightly(states):
    watch = Watch()
    for facts in states:
        status = watch.look(facts)
        assert [item.type for item in status.conditions] == list(REGION_PEERING)
        for item in status.conditions:
            finding = Finding(item.type, item.status, item.reason, item.message)
            assert is_declared("RegionPeering", finding), finding
        wire = status.wire()
        metadata = {"generation": facts.generation} | ({"deletionTimestamp": "now"} if facts.deleting else {})
        verdict, health = kstatus(metadata, wire), argo_health(metadata, wire)
        held = {item.type: item.status == "True" for item in status.conditions}
        assert not (held["Reconciling"] and held["Stalled"])
        if verdict == "Current":
            assert held["Ready"]
            assert held["Wired"]
            assert held["JoinCompleted"]
            assert health in ("Healthy", "Suspended")
        assert (verdict == "Failed") == (held["Stalled"] and not facts.deleting) == (health == "Degraded")
