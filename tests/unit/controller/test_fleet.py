"""Whom an event, or what a pass saw, concerns."""

from dataclasses import replace

import pytest

from region_operator.controller.facts import AgentFacts, PeerFacts, TrustHolder, Unknown
from region_operator.controller.fleet import Entry, Fleet, Sighting, entry_of
from region_operator.supervision.units import Key

CA, NEXT = "sha256:ca", "sha256:next"


def region(name: str, number: int = 0, **more) -> Entry:
    usual = {"uid": f"uid-{name}", "generation": 1, "deleting": False}
    return Entry(Key("Region", "clouds", name), region_id=number or ord(name[0]), **{**usual, **more})


def peering(name: str, *regions: str, **more) -> Entry:
    usual = {"uid": f"uid-{name}", "generation": 1, "deleting": False}
    return Entry(Key("RegionPeering", "clouds", name), refers_to=regions, **{**usual, **more})


def policy(name: str) -> Entry:
    return Entry(Key("SyncPolicy", "clouds", name), f"uid-{name}", 1, False)


def names(keys) -> set[str]:
    return {f"{key.kind[0] if key.kind != 'RegionPeering' else 'P'}:{key.name}" for key in keys}


@pytest.fixture
def fleet() -> Fleet:
    made = Fleet()
    for entry in (
        region("a", policy="strict"),
        region("b"),
        region("c"),
        peering("a-b", "a", "b"),
        peering("b-c", "b", "c", policy="loose"),
        policy("strict"),
    ):
        made.seen(entry, "1")
    return made


def test_an_object_is_read_as_far_as_it_relates_to_others():
    body = {
        "kind": "Region",
        "metadata": {
            "name": "a",
            "namespace": "clouds",
            "uid": "u",
            "generation": 3,
            "deletionTimestamp": "now",
            "finalizers": ["x/y"],
            "annotations": {"region-operator.io/abandon": "true", "other": "1"},
        },
        "spec": {"id": 7, "policyRef": {"name": "p"}, "placement": {"kubeconfigSecretRef": {"name": "far"}}},
    }
    entry = entry_of(body)
    assert (entry.key, entry.region_id, entry.policy, entry.kubeconfig) == (Key("Region", "clouds", "a"), 7, "p", "far")
    assert entry.deleting
    assert entry.marks == ("x/y", "region-operator.io/abandon=true")
    assert entry_of({"kind": "SyncPolicy", "metadata": {"name": "p", "namespace": "n"}}).refers_to == ()


def test_a_changed_region_concerns_its_peerings_and_its_policy(fleet):
    assert names(fleet.seen(region("a", policy="strict", generation=2), "2")) == {"R:a", "P:a-b", "S:strict"}


def test_a_changed_policy_of_a_region_concerns_both_policies(fleet):
    assert {"S:strict", "S:loose"} <= names(fleet.seen(region("a", policy="loose"), "2"))


def test_a_changed_peering_concerns_its_regions(fleet):
    assert names(fleet.seen(peering("a-b", "a", "b", deleting=True), "2")) == {"P:a-b", "R:a", "R:b"}


def test_a_changed_policy_concerns_all_who_use_it_peerings_also_through_their_first_region(fleet):
    changed = replace(policy("strict"), generation=2)
    assert names(fleet.seen(changed, "2")) == {"S:strict", "R:a", "P:a-b"}


@pytest.mark.parametrize(
    ("before", "concerned"),
    [(policy("strict"), {"S:strict", "R:a", "P:a-b"}), (peering("a-b", "a", "b"), {"P:a-b", "R:a", "R:b"})],
    ids=["policy", "peering"],
)
def test_who_accepts_an_older_generation_need_not_wait_for_the_resync_of_the_regions(fleet, before, concerned):
    meta = {"name": before.key.name, "namespace": "clouds", "uid": before.uid, "generation": 1}
    spec = {"regions": [{"name": name} for name in before.refers_to]}
    accepting = {**meta, "annotations": {"region-operator.io/accept-rewind": "7"}}
    assert entry_of({"kind": before.key.kind, "metadata": meta, "spec": spec}) == before
    assert names(fleet.seen(entry_of({"kind": before.key.kind, "metadata": accepting, "spec": spec}), "2")) == concerned


def test_an_event_that_says_nothing_new_is_a_pass_unless_we_wrote_it(fleet):
    fleet.written(Key("Region", "clouds", "b"), "5")
    assert fleet.seen(region("b"), "5") == set()
    assert names(fleet.seen(region("b"), "6")) == {"R:b"}


def test_regions_with_one_id_and_peerings_of_one_pair_concern_each_other(fleet):
    assert "R:a" in names(fleet.seen(region("rival", number=ord("a")), "2"))
    assert "P:a-b" in names(fleet.seen(peering("b-a", "b", "a"), "2"))
    assert [entry.key.name for entry in fleet.same_id(fleet.get(Key("Region", "clouds", "a")))] == ["rival"]


def test_other_namespaces_are_other_fleets(fleet):
    stranger = replace(region("a"), key=Key("Region", "other", "a"))
    assert names(fleet.seen(stranger, "2")) == {"R:a"}
    assert fleet.same_id(stranger) == []


def test_an_object_that_is_gone_concerns_those_it_was_related_to(fleet):
    assert names(fleet.gone(Key("RegionPeering", "clouds", "a-b"))) == {"P:a-b", "R:a", "R:b"}
    assert {"P:b-c", "R:a", "R:c"} <= names(fleet.gone(Key("Region", "clouds", "b")))
    assert [entry.key.name for entry in fleet.of_kind("Region", "clouds")] == ["a", "c"]


def sighting(name: str, *, trusted=frozenset({CA}), authority="key-1", **peer) -> Sighting:
    usual = {"generation": 1, "id": ord(name), "deleting": False, "url": f"https://{name}"}
    heard = AgentFacts(f"https://{name}", status=None)
    seen = PeerFacts("clouds", name, f"uid-{name}", management_endpoint="", agent=heard, **{**usual, **peer})
    return Sighting(seen, TrustHolder(name, trusted, authority), holds_claim=True, holds_key=True)


def test_what_a_pass_saw_concerns_peers_when_it_is_new(fleet):
    assert names(fleet.publish(sighting("a"))) == {"R:a", "P:a-b", "R:b", "S:strict"}
    assert fleet.publish(sighting("a")) == set()
    assert names(fleet.publish(sighting("a", url="https://moved"))) == {"P:a-b", "R:b", "S:strict"}
    assert fleet.sighting("clouds", "a").peer.url == "https://moved"


def test_a_trust_that_changes_in_a_rotation_concerns_the_whole_fleet(fleet):
    fleet.publish(sighting("a"))
    affected = names(fleet.publish(sighting("a", trusted=frozenset({CA, NEXT}))))
    assert affected == {"R:a", "R:b", "R:c", "P:a-b", "S:strict"}


@pytest.mark.parametrize("lost", [Unknown("ProbeTimeout", "no answer"), frozenset()])
def test_a_trust_that_is_lost_and_found_concerns_only_the_region_itself_and_its_peers(fleet, lost):
    fleet.publish(sighting("a"))
    assert "R:c" not in names(fleet.publish(sighting("a", trusted=lost)))
    found = names(fleet.publish(sighting("a")))
    assert "R:c" not in found
    assert "R:a" in found, "its next pass may bring a rotation on"


def test_why_something_is_not_known_is_no_news_to_others(fleet):
    fleet.publish(replace(sighting("a"), holds_claim=Unknown("ProbeTimeout", "after 3 s")))
    assert fleet.publish(replace(sighting("a"), holds_claim=Unknown("ConnectionRefused", "x"))) == set()


def test_a_pass_over_a_region_that_is_gone_concerns_nobody_else():
    assert names(Fleet().publish(sighting("a"))) <= {"R:a"}
