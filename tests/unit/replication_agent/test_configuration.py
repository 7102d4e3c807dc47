"""Which documents an agent takes, and what it keeps of the ones before."""

import pytest

from region_operator.api.agent import document_etag
from region_operator.replication.agent.configuration import Held, Rejected, accept
from unit.replication_agent.documents import body, document, link


def taken(held: Held, wire: dict, *, if_match: str | None = None) -> Held:
    return accept(held, body(wire), if_match=held.etag if if_match is None else if_match, region_id=1)


def rejection(held: Held, wire: dict, *, if_match: str | None = None) -> Rejected:
    with pytest.raises(Rejected) as caught:
        taken(held, wire, if_match=if_match)
    return caught.value


@pytest.mark.rule("OPERATOR 16")
def test_the_first_document_needs_no_etag_and_gets_the_one_the_operator_computes() -> None:
    wire = document(link("p1"))
    held = taken(Held(), wire)
    assert held.etag == document_etag(wire)
    assert held.acknowledgement().sources[0].uid == "uid-one"


@pytest.mark.rule("OPERATOR 16")
def test_another_etag_than_the_stored_one_is_412_and_says_the_present_one() -> None:
    held = taken(Held(), document())
    rejected = rejection(held, document(epoch=2), if_match="sha256:old")
    assert (rejected.status, rejected.refusal.reason, rejected.refusal.etag) == (412, "EtagMismatch", held.etag)


def test_a_missing_if_match_is_412() -> None:
    held = taken(Held(), document())
    with pytest.raises(Rejected) as caught:
        accept(held, body(document(epoch=2)), if_match=None, region_id=1)
    assert caught.value.status == 412


def test_an_equal_document_changes_nothing() -> None:
    held = taken(Held(), document(link("p1")))
    assert taken(held, document(link("p1"))) is held


def test_fields_of_a_newer_operator_are_ignored_and_kept() -> None:
    wire = document(futureField={"a": 1})
    held = taken(Held(), wire)
    assert Held.from_json(held.to_json()).etag == document_etag(wire)


@pytest.mark.rule("OPERATOR 16")
def test_a_feature_the_agent_does_not_know_is_refused_with_its_place() -> None:
    rejected = rejection(Held(), document(requires=["feed", "time-travel"]))
    assert (rejected.status, rejected.refusal.reason, rejected.refusal.pointer) == (
        422,
        "UnknownFeature",
        "/requires/1",
    )


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"region": {"id": 7, "name": "x", "managementEndpoint": "y"}}, "/region/id"),
        ({"claim": {"hub": "h", "region": "r"}}, "/claim/epoch"),
        ({"rules": 3}, "/rules"),
        ({"trust": ["no certificate"]}, "/trust/0"),
        ({"links": [{"peeringUid": "p"}]}, "/links/0/peer"),
    ],
)
def test_a_document_that_cannot_be_used_is_422_and_points_at_the_field(change: dict, pointer: str) -> None:
    rejected = rejection(Held(), document(**change))
    assert (rejected.status, rejected.refusal.pointer) == (422, pointer)


def test_a_body_that_is_no_json_is_422() -> None:
    for bad in (b"{", b"[]", b"\xff"):
        with pytest.raises(Rejected) as caught:
            accept(Held(), bad, if_match="", region_id=1)
        assert caught.value.status == 422


def test_a_peer_may_not_be_the_region_itself_nor_occur_twice() -> None:
    assert rejection(Held(), document(link("p1", peer=1))).refusal.reason == "PeerIsSelf"
    assert rejection(Held(), document(link("p1"), link("p2"))).refusal.pointer == "/links"
    assert rejection(Held(), document(link("p1"), link("p1", peer=3))).refusal.pointer == "/links"


def test_a_peering_made_anew_may_stand_beside_the_one_that_leaves() -> None:
    held = taken(Held(), document(link("p1", state="Leaving"), link("p2")))
    assert set(held.links) == {"p1", "p2"}


@pytest.mark.rule("OPERATOR 14")
def test_an_older_term_is_refused() -> None:
    held = taken(Held(), document(epoch=5))
    rejected = rejection(held, document(epoch=4))
    assert (rejected.status, rejected.refusal.reason) == (409, "StaleEpoch")
    assert taken(held, document(epoch=6)).claim.epoch == 6


@pytest.mark.rule("OPERATOR 8")
def test_another_hub_is_refused_however_high_its_epoch() -> None:
    held = taken(Held(), document(epoch=5))
    rejected = rejection(held, document(hub="hub-2", epoch=99))
    assert (rejected.status, rejected.refusal.reason) == (409, "ClaimedByAnotherHub")


@pytest.mark.rule("OPERATOR 8")
def test_a_take_over_names_the_holder_and_then_shuts_the_old_hub_out() -> None:
    held = taken(Held(), document(epoch=5))
    assert rejection(held, document(hub="hub-2", epoch=5, take_over_from="hub-1")).status == 409
    assert rejection(held, document(hub="hub-2", epoch=6, take_over_from="hub-3")).status == 409
    taken_over = taken(held, document(hub="hub-2", epoch=6, take_over_from="hub-1"))
    assert rejection(taken_over, document(epoch=7)).refusal.reason == "ClaimedByAnotherHub"


def test_the_claim_is_judged_before_the_etag() -> None:
    held = taken(Held(), document(epoch=5))
    assert rejection(held, document(hub="hub-2"), if_match="sha256:other").status == 409


@pytest.mark.rule("OPERATOR 8")
def test_a_link_that_is_not_mentioned_stays() -> None:
    held = taken(Held(), document(link("p1"), link("p2", peer=3)))
    assert set(taken(held, document(link("p2", peer=3))).links) == {"p1", "p2"}


@pytest.mark.rule("OPERATOR 8")
def test_a_peering_that_was_left_never_comes_back_under_its_uid() -> None:
    held = taken(Held(), document(link("p1", state="Leaving"))).after_leaving("p1")
    assert rejection(held, document(link("p1"))).refusal.reason == "PeeringWasLeft"
    assert not taken(held, document(link("p1", state="Leaving"), epoch=2)).links
    assert set(taken(held, document(link("p9"))).links) == {"p9"}


@pytest.mark.rule("OPERATOR 8")
def test_a_hub_that_was_restored_cannot_lower_a_generation() -> None:
    held = taken(Held(), document(generation=7))
    rejected = rejection(held, document(generation=3))
    assert (rejected.status, rejected.refusal.reason) == (409, "HubRewound")
    assert rejected.refusal.pointer == "/sources/0/generation"
    assert "generation 7" in rejected.refusal.message
    assert taken(held, document(generation=8)).source_list()[0].generation == 8


@pytest.mark.rule("OPERATOR 8")
def test_a_person_may_accept_the_loss_of_just_the_generation_that_is_known() -> None:
    held = taken(Held(), document(generation=7))
    assert rejection(held, document(generation=3, accept_rewind=6)).status == 409
    (source,) = taken(held, document(generation=3, accept_rewind=7)).source_list()
    assert (source.generation, source.accept_rewind) == (3, 0), "the permission is spent"


def test_what_is_held_survives_the_database() -> None:
    held = taken(Held(), document(link("p1"), link("p2", peer=3, state="Leaving"), generation=4)).after_leaving("p2")
    assert Held.from_json(held.to_json()) == held
    assert Held.from_json(None) == Held()
