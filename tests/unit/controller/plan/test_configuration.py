from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_operator.api.agent import AgentStatus, LinkStatus, Rules, Source
from region_operator.controller.facts import (
    AgentFacts,
    DuplicatePeering,
    LinkPolicyFacts,
    PeerFacts,
    PeeringFacts,
    PolicyFacts,
    Unknown,
)
from region_operator.controller.plan.configuration import DocumentInputs, configuration_document, etag_of
from region_operator.controller.plan.dry_run import token
from region_operator.controller.plan.labels import Site


def status(region_id=1, *, key="sha256:k", links=(), sources=(), left=()):
    return AgentStatus(
        etag="1", version="0.1.0", api_versions=["v1"], schema_version=1, region_id=region_id, incarnation="1",
        incarnations=1, database_key_fingerprint=key, links=list(links), sources=list(sources),
        left_peerings=list(left),
    )  # fmt: skip


def held(uid, peer_id=2):
    return LinkStatus(peering_uid=uid, peer_id=peer_id, state="Streaming", reason="Connected", since="")


def peer(name="us", number=2, **more):
    facts = PeerFacts(
        namespace="clouds", name=name, uid=f"uid-{name}", generation=1, id=number, deleting=False,
        url=f"https://{name}.example:8443", management_endpoint=f"https://{name}.example/client/",
        agent=AgentFacts("x", status(number), last=status(number)),
    )  # fmt: skip
    return replace(facts, **more)


def peering(uid="p1", other=None, **more):
    other = peer() if other is None else other
    own = peer("eu", 1)
    name = other.name if isinstance(other, PeerFacts) else "us"
    facts = PeeringFacts("clouds", uid, uid, 3, ("eu", name), (own, other), policy=LinkPolicyFacts(), finalizer=True)
    return replace(facts, **more)


INPUTS = DocumentInputs(
    site=Site("hub", "clouds", "eu", 1, "clouds"),
    epoch=4,
    source=Source(kind="Region", namespace="clouds", name="eu", uid="uid-eu", generation=2),
    management_endpoint="https://eu.example/client/",
    rules=Rules(hash="sha256:r"),
    fleet_uid="fleet",
    trust=("PEM",),
    status=status(),
)


def document(*peerings, **more):
    return configuration_document(replace(INPUTS, **more), peerings)


def test_a_link_says_how_to_reach_and_verify_the_peer():
    (link,) = document(peering()).links
    assert link.state == "Active"
    assert link.peer.url == "https://us.example:8443"
    assert link.peer.server_name == "agent-2.fleet.region-operator.internal"
    assert link.peer.management_endpoint == "https://us.example/client/"


def test_sources_name_all_that_the_document_was_built_from():
    made = document(peering(), policy=PolicyFacts("clouds", "default", "uid-p", 7, Rules(hash="x")))
    assert [(source.kind, source.name, source.generation) for source in made.sources] == [
        ("Region", "eu", 2),
        ("SyncPolicy", "default", 7),
        ("RegionPeering", "p1", 3),
    ]


@given(st.permutations([peering("p1"), peering("p2", peer("sa", 3)), peering("p3", peer("af", 4))]))
def test_the_order_of_looking_does_not_change_the_document(order):
    assert etag_of(document(*order)) == etag_of(document(*sorted(order, key=lambda item: item.uid)))


NOT_MENTIONED = {
    "paused": peering(paused=True),
    "not finalized yet": peering(finalizer=False),
    "the peer does not exist": peering(sides=(peer("eu", 1), None)),
    "the peer was not looked at": peering(other=Unknown("NotYetObserved", "x")),
    "the peer has no address": peering(other=peer(url="")),
    "the peer has no endpoint": peering(other=peer(management_endpoint="")),
    "the peer is stalled": peering(other=peer(stalled="RegionIdClash")),
    "the peer is being deleted": peering(other=peer(deleting=True)),
    "another key": peering(other=peer(agent=AgentFacts("x", None, last=status(2, key="sha256:other")))),
    "a key nobody knows yet": peering(other=peer(agent=AgentFacts("x", None, last=None))),
    "a duplicate": peering(duplicates=(DuplicatePeering("clouds", "a", "uid-a", known_to_agents=True),)),
    "left by the finalizer but never known": peering(deleting=True),
}


@pytest.mark.rule("OPERATOR 8")
@pytest.mark.parametrize("why", NOT_MENTIONED)
def test_what_is_not_certain_is_not_mentioned(why):
    made = document(NOT_MENTIONED[why])
    assert made.links == []
    assert [source.kind for source in made.sources] == ["Region"]


def test_a_dry_run_is_worked_out_by_the_agent_of_the_lower_id_and_answered_by_the_other():
    facts = peering(mode="Plan")
    (own,) = document(facts).links
    assert (own.state, own.plan_token) == ("Plan", token(facts))
    (other,) = document(replace(facts, regions=("us", "eu")), site=Site("hub", "clouds", "us", 2, "clouds")).links
    assert (other.state, other.plan_token) == ("Plan", "")
    assert document(facts).requires == ["feed", "plan", "registration"]


def test_a_dry_run_is_asked_anew_when_a_region_changes_or_a_person_says_so():
    asked = [
        peering(mode="Plan"),
        peering(other=peer(generation=2), mode="Plan"),
        peering(mode="Plan", reconcile_token="again"),
    ]
    assert len({document(facts).links[0].plan_token for facts in asked}) == 3


def test_a_dry_run_that_is_given_up_has_nothing_to_drain_and_nothing_to_unwire():
    (link,) = document(peering(mode="Plan", deleting=True), status=status(links=[held("p1")])).links
    assert (link.state, link.drain_timeout_seconds, link.wired) == ("Leaving", 0, False)
    (link,) = document(peering(deleting=True), status=status(links=[held("p1")])).links
    assert link.wired


@pytest.mark.rule("OPERATOR 8")
def test_a_peering_that_was_left_is_never_told_as_a_link_again():
    assert document(peering(), status=status(left=["p1"])).links == []


@pytest.mark.rule("OPERATOR 8")
def test_only_a_deleted_peering_makes_a_link_leave():
    answer = status(2, links=[held("p1", 1)])
    other = peer(agent=AgentFacts("x", answer, last=answer))
    facts = peering(other=other, deleting=True, drain_timeout_s=30)
    (link,) = document(facts, status=status(links=[held("p1")])).links
    assert (link.state, link.drain_timeout_seconds) == ("Leaving", 30)


@pytest.mark.rule("OPERATOR 8")
def test_a_link_leaves_also_when_the_other_region_is_gone():
    made = document(peering(sides=(peer("eu", 1), None), deleting=True), status=status(links=[held("p1", 9)]))
    (link,) = made.links
    assert (link.state, link.peer.id, link.peer.name) == ("Leaving", 9, "us")
    assert link.peer.url.startswith("https://")


@pytest.mark.rule("OPERATOR 20")
def test_an_abandoned_peering_leaves_without_draining():
    (link,) = document(peering(deleting=True, abandon=True), status=status(links=[held("p1")])).links
    assert (link.state, link.drain_timeout_seconds) == ("Leaving", 0)


@pytest.mark.rule("OPERATOR 20")
def test_a_peer_that_never_had_the_link_is_not_waited_for():
    def drain_s(**told):
        answer = status(**told)
        other = peer(agent=AgentFacts("x", answer, last=answer))
        made = document(peering(other=other, deleting=True, drain_timeout_s=600), status=status(links=[held("p1")]))
        return made.links[0].drain_timeout_seconds

    assert drain_s() == 1, "the management server is still told, so it is not 0"
    assert drain_s(links=[held("p1")]) == 600
    assert drain_s(left=["p1"]) == 600


def test_a_silent_peer_does_not_end_a_link_that_is_there():
    silent = peer(agent=AgentFacts("x", Unknown("ProbeTimeout", "no answer"), last=None))
    (link,) = document(peering(other=silent), status=status(links=[held("p1")])).links
    assert link.state == "Active"


def test_suspended_keeps_the_link_and_stops_the_data():
    (link,) = document(peering(mode="Suspended")).links
    assert link.state == "Suspended"


def test_two_peerings_never_make_two_links_to_one_peer():
    made = document(peering("p1"), peering("p2"))
    assert [link.peering_uid for link in made.links] == ["p1"]


def test_limits_come_from_the_peerings_policy():
    (link,) = document(peering(policy=LinkPolicyFacts(batch_rows=10, parking_max_rows=5))).links
    assert (link.link.batch_rows, link.link.parking_max_rows) == (10, 5)


def test_features_are_required_only_when_used():
    assert document().requires == []
    assert document(peering(), take_over_from="other").requires == ["feed", "registration", "take-over"]
