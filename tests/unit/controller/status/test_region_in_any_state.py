"""Whatever a Region is in, its status is whole, says only what users were told of, and GitOps tools read it rightly."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from region_operator.api.conditions import Finding, is_declared
from region_operator.api.reasons import REGION
from region_operator.api.region import Region
from region_operator.controller.facts import AgentFacts, Invalid, PlacementFacts, RegionFacts, Unknown
from region_operator.controller.outcome import Failure, Outcome
from region_operator.controller.plan import steps
from region_operator.controller.plan.region import plan_region
from region_operator.controller.status.region import region_status
from unit.controller.plan.regions import SPECS
from unit.controller.plan.world import NOW, SETTINGS
from unit.controller.status.gitops import argo_health, kstatus
from unit.controller.status.regions import Life

REASONS = st.sampled_from(
    [
        "ProbeTimeout",
        "ConnectionRefused",
        "TLSFailed",
        "AuthFailed",
        "Forbidden",
        "ServerError",
        "AgentError",
        "Strange",
    ]
)
UNKNOWN = st.builds(Unknown, REASONS, st.just("no answer"))
REFUSALS = st.sampled_from(["ClaimedByAnotherHub", "StaleEpoch", "PeeringWasLeft", "InvalidDocument"])


@cache
def moments(name: str) -> list[tuple[Region, RegionFacts]]:
    """Every state in which a Region is found while it comes up, and when it is up."""
    life, found = Life.of(name), []
    for _ in range(14):
        found.append((life.region, life.world.look()))
        life.run()
        life.world.start()
        if life.world.agent is not None:
            life.agent(management=life.world.agent.management.model_copy(update=UP))
    return found


UP = {"reachable": True, "own_region_listed": True}


@st.composite
def troubles(draw: st.DrawFn, seen: RegionFacts) -> RegionFacts:
    """The facts, with things gone wrong."""
    wrong = draw(
        st.sets(st.sampled_from(["cluster", "children", "agent", "refused", "policy", "key", "deleting", "ids"]))
    )
    changes: dict[str, object] = {}
    if "cluster" in wrong:
        cluster = draw(
            st.one_of(
                UNKNOWN, st.builds(Invalid, st.sampled_from(["KubeconfigRefused", "SecretNotFound"]), st.just("m"))
            )
        )
        changes |= {"placement": PlacementFacts(cluster=cluster, namespace=draw(st.one_of(UNKNOWN, st.none())))}
        changes |= {"children": draw(UNKNOWN)}
    if "children" in wrong:
        changes |= {"children": draw(UNKNOWN)}
    if "agent" in wrong:
        age_s = draw(st.floats(0, 500))
        last = draw(st.sampled_from([seen.agent.last, None]))
        changes |= {"agent": AgentFacts(seen.agent.endpoint, draw(UNKNOWN), age_s, last)}
    if "refused" in wrong:
        agent = changes.get("agent", seen.agent)
        changes |= {"agent": replace(agent, refusal=Invalid(draw(REFUSALS), "no"))}
    if "policy" in wrong:
        changes |= {"policy": draw(st.one_of(UNKNOWN, st.none(), st.just(Invalid("UnknownEntity", "x"))))}
    if "key" in wrong:
        changes |= {"fleet": replace(seen.fleet, database_key=draw(st.one_of(UNKNOWN, st.none())))}
    if "ids" in wrong:
        changes |= {"same_id": draw(UNKNOWN)}
    if "deleting" in wrong:
        changes |= {"deleting": True, "deleting_age_s": draw(st.floats(0, 500))}
    return replace(seen, **changes)


@st.composite
def outcomes(draw: st.DrawFn, plan: steps.RegionPlan) -> Outcome:
    done = [(stage, step) for stage, step in plan.steps if not isinstance(step, steps.Wait)]
    if not done or draw(st.booleans()):
        return Outcome(changed=draw(st.sampled_from([0, 0, 3])))
    stage, step = draw(st.sampled_from(done))
    reason = draw(
        st.one_of(REASONS, REFUSALS, st.sampled_from(["NameCollision", "Conflict", "NotLeader", "RefusedByKubernetes"]))
    )
    return Outcome(failure=Failure(stage, step, reason, "said", reason == "NameCollision", draw(st.booleans())))


@st.composite
def passes(draw: st.DrawFn) -> tuple[Region, RegionFacts, steps.RegionPlan, Outcome]:
    region, seen = draw(st.sampled_from(moments(draw(st.sampled_from(sorted(SPECS))))))
    generation, paused = draw(st.sampled_from([1, 1, 2])), draw(st.booleans()) and draw(st.booleans())
    region = region.model_copy(
        update={
            "metadata": region.metadata.model_copy(update={"generation": generation}),
            "spec": region.spec.model_copy(update={"paused": paused}),
        }
    )
    facts = draw(troubles(seen))
    plan = plan_region(region, facts, SETTINGS, generate=lambda: "random")
    return region, facts, plan, draw(outcomes(plan))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(passes())
def test_its_status_is_whole_and_rightly_read_and_stays_the_same_and_forgets_nothing(found):
    """One look at each: to think of a state costs more than to look at it."""
    region, facts, plan, outcome = found
    status = region_status(region, facts, plan, outcome, now=NOW)
    says_only_what_users_were_told_of(region, status)
    is_read_rightly_by_gitops_tools(region, facts, plan, status.wire())
    erases_no_place_or_claim_by_not_knowing(region, facts, status)

    again = region_status(region.model_copy(update={"status": status}), facts, plan, outcome, now=NOW)
    third = region_status(region.model_copy(update={"status": again}), facts, plan, outcome, now=NOW)
    assert again == third, "a second look at the same says the same"


def says_only_what_users_were_told_of(region, status):
    assert [item.type for item in status.conditions] == list(REGION)
    for item in status.conditions:
        assert is_declared("Region", Finding(item.type, item.status, item.reason, item.message)), item
        assert item.message, item
    assert status.observed_generation == region.metadata.generation


def is_read_rightly_by_gitops_tools(region, facts, plan, status):
    metadata = {"generation": region.metadata.generation} | ({"deletionTimestamp": "now"} if facts.deleting else {})
    held = {item["type"]: item["status"] == "True" for item in status["conditions"]}

    verdict, health = kstatus(metadata, status), argo_health(metadata, status)

    assert verdict == "Terminating" if facts.deleting else verdict in ("InProgress", "Failed", "Current")
    assert (verdict == "Failed") == (held["Stalled"] and not facts.deleting)
    assert (health == "Degraded") == (verdict == "Failed")
    if verdict == "Current":
        last = facts.agent.last
        assert held["Ready"]
        assert last is not None
        assert any(s.uid == region.metadata.uid and s.generation >= region.metadata.generation for s in last.sources)
        assert health in ("Healthy", "Suspended")
    assert not (held["Reconciling"] and held["Stalled"])
    assert not (held["Ready"] and held["Stalled"])
    prepares = any(wait.reason == "Preparing" for wait in plan.waits)  # a database anew, while the region serves
    assert not (held["Ready"] and held["Reconciling"]) or prepares


def erases_no_place_or_claim_by_not_knowing(region, facts, status):
    if region.status.placement is not None:
        assert status.placement == region.status.placement
    if isinstance(facts.children, Unknown):
        assert status.claim == region.status.claim
        assert status.retained == region.status.retained


def test_a_region_on_its_way_up_never_falls_back():
    """While servers start and nothing goes wrong, Ready becomes true once and stays."""
    for name in SPECS:
        ready = [
            any(c.type == "Ready" and c.status == "True" for c in region.status.conditions)
            for region, _ in moments(name)
        ]
        assert not any(before and not after for before, after in pairwise(ready)), name
        assert name == "no-admin" or ready[-1], name
