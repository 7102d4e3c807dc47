"""The plan of one Region: what may be done now, in order, and what is waited for. It has no side effects.

    placement -> claim -> secrets -> certificates -> network -> database -> prepare -> workloads -> configuration

A stage that cannot be finished ends with a ``Wait`` that is a gate, and the later ones wait for the next pass, which
looks at the world anew. So the plan is the same wherever an earlier one was cut off.
"""

from collections.abc import Callable, Iterable

from region_operator import naming
from region_operator.api.agent import API_VERSIONS, AgentStatus
from region_operator.api.region import Region
from region_operator.controller.facts import (
    Children,
    Invalid,
    PeeringFacts,
    PolicyFacts,
    RegionFacts,
    SecretFacts,
    Unknown,
)
from region_operator.controller.plan import certificates
from region_operator.controller.plan.claim import decide_claim, document_epoch, held_claim
from region_operator.controller.plan.configuration import DocumentInputs, configuration_document, etag_of
from region_operator.controller.plan.context import Context, PlanSettings, management_endpoint
from region_operator.controller.plan.gates import claim_gate, placement_gate, rewind_gate
from region_operator.controller.plan.rewind import HUB_REWOUND, rewound
from region_operator.controller.plan.run import database_stage, network_stage, prepare_stage, workloads_stage
from region_operator.controller.plan.steps import (
    AddFinalizer,
    PushConfiguration,
    RegionPlan,
    RemoveFinalizer,
    Stage,
    Step,
    Wait,
    Warn,
)
from region_operator.controller.plan.teardown import (
    abandon_steps,
    keeps_data,
    peerings_gate,
    teardown_steps,
)
from region_operator.controller.plan.trust import certificates_stage, copied_secrets, fleet_stage, secrets_stage
from region_operator.errors import InvalidInput

_StageFunction = Callable[[Context], list[Step]]


def plan_region(
    region: Region, facts: RegionFacts, settings: PlanSettings, *, generate: Callable[[], str]
) -> RegionPlan:
    """Plan one pass; ``generate`` makes a random password and is called only for Secrets that are not there."""
    context = Context(region, facts, settings, generate)
    if facts.deleting:
        return _teardown(context)
    if region.spec.paused:
        message = "spec.paused is true: nothing is changed; data keeps flowing"
        return RegionPlan((("placement", Wait("Paused", "PausedBySpec", message)),))
    done: list[tuple[Stage, Step]] = [] if facts.finalizer else [("finalizer", AddFinalizer())]
    done += _until_a_gate(context, _STAGES)
    return RegionPlan((*done, *_configuration_anyway(context, done)))


def _configuration_anyway(context: Context, done: list[tuple[Stage, Step]]) -> list[tuple[Stage, Step]]:
    """An agent that runs is told of its links also while something else of its region is held up."""
    gate = next((stage for stage, step in done if isinstance(step, Wait) and step.gate), None)
    if gate in (None, "placement", "claim", "configuration"):
        return []
    return [("configuration", step) for step in _configuration_if_it_answers(context)]


def _until_a_gate(context: Context, stages: tuple[tuple[Stage, _StageFunction, str], ...]) -> list[tuple[Stage, Step]]:
    done: list[tuple[Stage, Step]] = []
    for stage, function, condition in stages:
        try:
            steps = function(context)
        except InvalidInput as error:
            steps = [Wait(condition, "InvalidInput", str(error))]
        done += [(stage, step) for step in steps]
        if any(isinstance(step, Wait) and step.gate for step in steps):
            break
    return done


# --- configuration ------------------------------------------------------------------------------------------------


def configuration_stage(context: Context) -> list[Step]:
    """The agent's document, if it is another one than the agent acknowledged."""
    status = context.facts.agent.status
    if not isinstance(status, AgentStatus):
        return [_no_answer(context)]
    refused = _unfit(context, status)
    if refused:
        return [refused]
    if not status.database_reachable:
        message = f"the agent keeps its configuration in the database: {status.database_message or 'not reached yet'}"
        return [Wait("AgentReady", "ConfigurationPending", message)]
    inputs = _document_inputs(context, status)
    if isinstance(inputs, Wait):
        return [inputs]
    peerings = context.facts.peerings
    if isinstance(peerings, Unknown):
        message = f"RegionPeerings could not be listed: {peerings.message}"
        return [Wait("AgentReady", "ConfigurationPending", message)]
    if context.facts.hub.just_started and status.configuration_etag and _awaits_peers(context, peerings):
        return []
    document = configuration_document(inputs, peerings)
    if etag_of(document) == status.configuration_etag:
        return []
    return [PushConfiguration(document, if_match=status.configuration_etag)]


def _awaits_peers(context: Context, peerings: Iterable[PeeringFacts]) -> bool:
    """Whether a peer was not looked at yet; the pass over it wakes this Region again.

    Until then the document would lack what is known of the peer, and the agent would start the link anew for nothing.
    """
    return any(isinstance(peering.other_side(context.site.region), Unknown) for peering in peerings)


def _no_answer(context: Context) -> Wait:
    agent = context.facts.agent
    if isinstance(agent.status, Unknown):
        return Wait("AgentReady", agent.status.reason, agent.status.message, unknown=True)
    if not agent.endpoint:
        return Wait("AgentReady", "WaitingForAddress", "the agent's Service has no address yet")
    return Wait("AgentReady", "Provisioning", "the agent has not answered yet")


def _unfit(context: Context, status: AgentStatus) -> Wait | None:
    """Why nothing may be sent to this agent."""
    if status.region_id != context.region.spec.id:
        message = f"the agent at {context.facts.agent.endpoint} serves region {status.region_id}"
        return Wait("AgentReady", "WrongRegion", message)
    if not set(status.api_versions) & set(API_VERSIONS):
        message = f"the agent speaks {', '.join(status.api_versions) or 'no version'}, this operator {API_VERSIONS[0]}"
        return Wait("AgentReady", "VersionSkew", message)
    return None


def _document_inputs(context: Context, status: AgentStatus) -> DocumentInputs | Wait:
    facts, region, site = context.facts, context.region, context.site
    endpoint = management_endpoint(region, facts)
    if not endpoint:
        return Wait("AgentReady", "WaitingForAddress", "the management server's Service has no address yet")
    policy = facts.policy if isinstance(facts.policy, PolicyFacts) else None
    rules = policy.rules if policy else facts.agent.rules_in_force or status.rules
    if rules is None:
        return _no_policy(context)
    ca = facts.fleet.ca
    known = certificates.authorities(ca) if isinstance(ca, SecretFacts) else None
    if not isinstance(known, certificates.Authorities):
        return Wait("CertificatesReady", "NotIssued", "the fleet's CA cannot be read")
    take_over = region.metadata.annotations.get(naming.ANNOTATION_TAKE_OVER, "")
    claim = decide_claim(site, context.children.config_maps.get(naming.claim(site.region)), take_over=take_over)
    held_by = status.claim.hub if status.claim else ""
    return DocumentInputs(
        site=site,
        epoch=document_epoch(claim.epoch, facts.hub.term),
        source=context.source,
        management_endpoint=endpoint,
        rules=rules,
        fleet_uid=facts.fleet.uid,
        trust=known.bundle,
        status=status,
        policy=policy,
        take_over_from=take_over if take_over and take_over == held_by and held_by != site.hub else "",
    )


def _no_policy(context: Context) -> Wait:
    policy, reference = context.facts.policy, context.region.spec.policy_ref
    name = reference.name if reference else ""
    if isinstance(policy, Unknown):
        return Wait("ReferencesResolved", "NotObserved", f"SyncPolicy {name}: {policy.message}", unknown=True)
    if isinstance(policy, Invalid):
        return Wait("ReferencesResolved", "PolicyNotAccepted", f"SyncPolicy {name}: {policy.message}")
    return Wait("ReferencesResolved", "PolicyNotFound", f"spec.policyRef: SyncPolicy {name} does not exist; create it")


_STAGES: tuple[tuple[Stage, _StageFunction, str], ...] = (
    ("placement", placement_gate, "PlacementReachable"),
    ("claim", rewind_gate, "Claimed"),
    ("claim", claim_gate, "Claimed"),
    ("secrets", fleet_stage, "ReferencesResolved"),
    ("secrets", secrets_stage, "ReferencesResolved"),
    ("certificates", certificates_stage, "CertificatesReady"),
    ("network", network_stage, "AgentReady"),
    ("database", database_stage, "DatabaseReady"),
    ("prepare", prepare_stage, "DatabaseReady"),
    ("workloads", workloads_stage, "AgentReady"),
    ("configuration", configuration_stage, "AgentReady"),
)


# --- deletion -----------------------------------------------------------------------------------------------------


def _teardown(context: Context) -> RegionPlan:
    """Take the Region down, as far as that may be done now."""
    if not context.facts.finalizer:
        return RegionPlan()
    return RegionPlan(tuple(("teardown", step) for step in _teardown_steps(context)))


def _teardown_steps(context: Context) -> list[Step]:
    facts, region = context.facts, context.region
    if region.metadata.annotations.get(naming.ANNOTATION_ABANDON) == "true":
        return abandon_steps(context.site, facts.children)
    if region.spec.paused:
        message = "spec.paused is true; set it to false, or abandon the Region by annotation"
        return [Wait("DeletionBlocked", "Paused", message)]
    lost = _lost_placement(region, facts)
    if lost:
        return [lost]
    assert isinstance(facts.children, Children)
    held = held_claim(facts.children.config_maps.get(naming.claim(context.site.region)))
    if held and (held.hub, held.region) != (context.site.hub, context.site.owner):
        message = f"hub {held.hub or '?'} commands this region as {held.region or '?'}; nothing of it was removed"
        return [Warn("ClaimedByAnotherHub", message), RemoveFinalizer()]
    told = rewound(context.source, facts.agent.last)
    if told:
        return [Wait("DeletionBlocked", HUB_REWOUND, f"{told}; or abandon the Region by annotation")]
    waiting = peerings_gate(facts)
    if waiting:
        # The agent is told about links that leave as long as it is there; without it they end by their drain time.
        return [*_configuration_if_it_answers(context), waiting]
    return teardown_steps(
        context.site,
        facts.children,
        keep_data=keeps_data(region, facts),
        copied_secrets=copied_secrets(context),
    )


def _configuration_if_it_answers(context: Context) -> list[Step]:
    if not isinstance(context.facts.agent.status, AgentStatus):
        return []
    return [step for step in configuration_stage(context) if not isinstance(step, Wait)]


def _lost_placement(region: Region, facts: RegionFacts) -> Wait | None:
    """Why children cannot be removed: where they are cannot be reached."""
    cluster = facts.placement.cluster
    noted = region.status.placement.cluster if region.status.placement else ""
    way_out = f"or annotate the Region with {naming.ANNOTATION_ABANDON}: 'true', which removes nothing there"
    if isinstance(cluster, Invalid):
        return Wait("DeletionBlocked", "CredentialsMissing", f"{cluster.message}; {way_out}")
    if isinstance(cluster, Unknown):
        return Wait("DeletionBlocked", "PlacementUnreachable", f"{cluster.message}; wait, {way_out}")
    if noted and noted != cluster:
        message = (
            f"the kubeconfig leads to cluster {cluster}, the region runs in {noted}; put back that one's, {way_out}"
        )
        return Wait("DeletionBlocked", "PlacementUnreachable", message)
    if isinstance(facts.children, Unknown):
        return Wait("DeletionBlocked", "PlacementUnreachable", f"{facts.children.message}; wait, {way_out}")
    return None
