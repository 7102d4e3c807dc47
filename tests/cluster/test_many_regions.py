"""More than two regions: a mesh of three that grows to a ring of five, loses a cable for long, and then a region.

One fleet serves all tests of this module, in their order; the manifests are those of the examples.
"""

from contextlib import ExitStack
from typing import Any

import pytest

import clouds
from fleets import Fleet, until

pytestmark = pytest.mark.timeout(900)  # five regions start on one machine

THREE, FIVE = "05-three-regions", "06-five-regions"
KINDS = "regions.region-operator.io,regionpeerings.region-operator.io,syncpolicies.region-operator.io"
DEAD = "ap-east"
OPERATOR = "region-operator/app.kubernetes.io/component=operator"
DRAIN_S = 10


@pytest.fixture(scope="module")
def fleet(cluster, module_fleet):
    fleet = Fleet(cluster, module_fleet)
    yield fleet
    fleet("delete", KINDS, "--all", "--timeout=180s")


@pytest.fixture(scope="module")
def signed_in(fleet):
    """Region by name, signed in to when it is first asked for."""
    with ExitStack() as stack:
        found: dict[str, clouds.Region] = {}

        def region(name: str) -> clouds.Region:
            if name not in found:
                found[name] = stack.enter_context(clouds.region(fleet.kubectl, name))
            return found[name]

        yield region


def manifests(fleet: Fleet, name: str) -> list[dict[str, Any]]:
    made = clouds.example(name, namespaces={clouds.FLEET: fleet.namespace})
    for one in made:
        if one["kind"] == "RegionPeering":
            one["spec"]["leave"] = {"drainTimeoutSeconds": DRAIN_S}
        if one["kind"] == "SyncPolicy":
            one["spec"]["partition"] |= {"detectAfterSeconds": 5}
            one["spec"]["scan"]["load"] = {"skip": {"threadsRunning": 1000}}  # five clouds share this machine
    return made


def names(made: list[dict[str, Any]], kind: str) -> list[str]:
    return [one["metadata"]["name"] for one in made if one["kind"] == kind]


def create(region: clouds.Region, name: str) -> str:
    made = region.api.createAccount(
        account=name, accounttype=0, username=name, password="x" * 12, firstname=name, lastname="Example",
        email=f"{name}@example.net",
    )  # fmt: skip
    return str(made["account"]["user"][0]["id"])


def known(region: clouds.Region, name: str) -> str | None:
    return (region.user(name) or {}).get("id")


def differences(regions: list[clouds.Region]) -> dict[str, Any]:
    told = {table: {region.name: region.rows(table) for region in regions} for table in clouds.TABLES}
    return {table: rows for table, rows in told.items() if len(set(map(tuple, rows.values()))) > 1}


def until_as_the_example_says(fleet: Fleet, name: str) -> None:
    for owner, conditions in clouds.expected(name).items():
        kind, of = owner.split("/")
        for type_, held in conditions.items():
            fleet.until_told(of, type_, held["status"], held["reason"], kind=kind, within_s=300)


def agent(fleet: Fleet, region: str) -> str:
    label = "app.kubernetes.io/component=agent,region-operator.io/region-name="
    return f"{fleet.namespace}/{label}{region}"


def test_three_regions_that_know_each_other_hold_the_same(fleet, signed_in):
    made = manifests(fleet, THREE)
    fleet.apply(*made)
    until_as_the_example_says(fleet, THREE)
    regions = [signed_in(name) for name in names(made, "Region")]
    for number, region in enumerate(regions):
        create(region, f"mesh-{number}")
    until("all three are equal", lambda: not differences(regions))
    assert all(known(region, "mesh-2") for region in regions)


@pytest.mark.rule("OPERATOR 18")
def test_what_a_region_lost_is_found_by_a_scan_that_is_asked_for(fleet, signed_in):
    south = signed_in("ap-south")
    lost = known(south, "mesh-0")
    assert lost
    south.sql(
        "SET @region_sync_apply = 1;"  # as the applier does, so no trigger captures it
        f"DELETE FROM cloud.user WHERE uuid = '{lost}';"
        f"DELETE FROM region_sync.row_version WHERE entity = 'user' AND entity_key = '{lost}'"
    )
    assert known(south, "mesh-0") is None
    peering = "us-east-ap-south"
    fleet("annotate", "rgp", peering, "region-operator.io/scan-requested-at=first")
    fleet.until_told(peering, "FullScanCurrent", "True", "DriftRepaired", kind="rgp")
    assert known(south, "mesh-0") == lost
    told = fleet.get("rgp", peering)["status"]["scan"]
    assert told["lastHandledRequest"] == "first"
    assert (told["last"]["result"], told["last"]["differing"], told["last"]["repaired"]) == ("Repaired", 1, 1)

    fleet("annotate", "--overwrite", "rgp", peering, "region-operator.io/scan-requested-at=second")
    fleet.until_told(peering, "FullScanCurrent", "True", "Clean", kind="rgp")
    proof = {one["name"]: one for one in fleet.get("rgp", peering)["status"]["verification"]["entities"]}
    assert proof["user"]["equal"]
    assert proof["user"]["rows"][0] == proof["user"]["rows"][1] >= 3


def test_two_more_are_filled_from_their_neighbours_and_make_a_ring(fleet, signed_in):
    made = manifests(fleet, FIVE)
    fleet.apply(*made)
    until_as_the_example_says(fleet, FIVE)
    (chord,) = set(names(manifests(fleet, THREE), "RegionPeering")) - set(names(made, "RegionPeering"))
    fleet("delete", "rgp", chord, "--timeout=240s")
    regions = [signed_in(name) for name in names(made, "Region")]
    for number, region in enumerate(regions):
        create(region, f"ring-{number}")
    until("all five are equal", lambda: not differences(regions))
    assert all(known(region, f"ring-{number}") for region in regions for number in range(5))


def test_while_one_cable_is_cut_changes_go_round_the_other_way(fleet, signed_in, links):
    west, east = signed_in("eu-west"), signed_in("us-east")
    links.cut(agent(fleet, "eu-west"), agent(fleet, "us-east"))
    fleet.until_told("eu-west-us-east", "Partitioned", "True", kind="rgp")
    for number in range(3):
        here, there = (west, east) if number % 2 else (east, west)
        name = f"round-{number}"
        made = create(here, name)
        until("it came round", lambda there=there, name=name: known(there, name))
        assert known(there, name) == made
    assert fleet.told("us-east-us-west", "Partitioned", kind="rgp") == ("False", "Connected")

    links.heal()
    fleet.until_told("eu-west-us-east", "Partitioned", "False", "Connected", kind="rgp")
    fleet.until_told("eu-west-us-east", "InSync", "True", kind="rgp")
    assert not differences([west, east])
    assert fleet.told("eu-west-us-east", "ConflictFree", kind="rgp") == ("True", "NoOpenConflicts")


def test_a_dead_region_is_left_without_it_and_the_others_go_on(fleet, signed_in, links):
    made = manifests(fleet, FIVE)
    alive = [signed_in(name) for name in names(made, "Region") if name != DEAD]
    for other in (OPERATOR, *(agent(fleet, region.name) for region in alive)):
        links.cut(agent(fleet, DEAD), other)
    of_the_dead = [one["metadata"]["name"] for one in made if {"name": DEAD} in one["spec"].get("regions", ())]
    assert len(of_the_dead) == 2
    for name in of_the_dead:
        fleet.until_told(name, "Partitioned", "True", kind="rgp")
    fleet("delete", "rgp", *of_the_dead, "--wait=false")
    seen = until("it says what it waits for", lambda: blocked(fleet, of_the_dead[0]))
    assert seen["status"] == "True"
    assert DEAD in seen["message"]
    assert f"drainTimeoutSeconds={DRAIN_S}" in seen["message"]
    until("both peerings are gone", lambda: not any(fleet.exists("rgp", name) for name in of_the_dead))

    listed = {"us-west", "ap-south"}
    for region in (region for region in alive if region.name in listed):
        until("its management server lists the dead no more", lambda region=region: DEAD not in regions_of(region))
    create(signed_in("us-west"), "alive")
    until("the others are equal", lambda: known(signed_in("ap-south"), "alive") and not differences(alive))


def blocked(fleet: Fleet, name: str) -> Any:
    found = fleet.kubectl.conditions("rgp", name)["DeletionBlocked"]
    return found if found["reason"] not in ("NotDeleting", "NotBlocked") else None


def regions_of(region: clouds.Region) -> set[str]:
    return {item["name"] for item in region.api.listRegions()["region"]}
