"""Conditions of a Region about its place and its standing: claim, references, placement, certificates, history."""

from region_operator import naming
from region_operator.api.conditions import Finding
from region_operator.controller.facts import CertificateFacts, Invalid, PolicyFacts, SecretFacts, Unknown
from region_operator.controller.plan import certificates, x509
from region_operator.controller.plan.claim import held_claim
from region_operator.controller.plan.external import MANAGEMENT_TLS, copies, values_of
from region_operator.controller.plan.gates import placement_gate
from region_operator.controller.plan.steps import Wait
from region_operator.controller.plan.trust import leaf_of
from region_operator.controller.status.region_scene import Scene, finding, waiting


def claimed(scene: Scene) -> Finding:
    """Whether the region is ours to command."""
    told = scene.told("Claimed")
    if told:
        return told
    refusal = scene.facts.agent.refusal
    if refusal is not None and refusal.reason in ("ClaimedByAnotherHub", "StaleEpoch") and not scene.acknowledged:
        return finding("Claimed", "False", refusal.reason, refusal.message)
    if scene.children is None:
        return finding("Claimed", "Unknown", "PlacementUnreachable", "the claim cannot be read: " + _why_lost(scene))
    site = scene.context.site
    held = held_claim(scene.children.config_maps.get(naming.claim(site.region)))
    if held is None:
        if scene.facts.deleting:
            return finding("Claimed", "False", "Released", "the claim was given up")
        return finding("Claimed", "False", "NotYetClaimed", "the claim is not written yet")
    if (held.hub, held.region) != (site.hub, site.owner):
        told_by = f"hub {held.hub or '?'} commands this region as {held.region or '?'}"
        return finding("Claimed", "False", "ClaimedByAnotherHub", told_by)
    return finding("Claimed", "True", "Claimed", f"this hub commands the region, epoch {held.epoch}")


def references_resolved(scene: Scene) -> Finding:
    """Whether everything that the spec names is there and fit for use."""
    return (
        scene.told("ReferencesResolved")
        or _secrets(scene)
        or _policy(scene)
        or _database_key(scene)
        or finding("ReferencesResolved", "True", "Resolved", "everything that the spec names is there")
    )


def _secrets(scene: Scene) -> Finding | None:
    found = copies(scene.region, scene.facts)
    if isinstance(found, Wait):
        return waiting(found)
    served = found.management_tls
    ended = _ended(scene, MANAGEMENT_TLS, served["tls.crt"]) if served is not None else None
    return ended or _client_of_agent(scene)


def _ended(scene: Scene, field: str, certificate: bytes) -> Finding | None:
    """A certificate that has ended is presented as any other, and refused by the other side."""
    leaf = x509.describe(certificate)
    if not isinstance(leaf, CertificateFacts) or leaf.not_after > scene.facts.now:
        return None
    message = f"{field}: the certificate ended {leaf.not_after}; renew it"
    return finding("ReferencesResolved", "False", "CertificateExpired", message)


def _client_of_agent(scene: Scene) -> Finding | None:
    external = scene.region.spec.external_agent
    if external is None:
        return None
    name, field = external.tls_secret_ref.name, "spec.agent.external.tlsSecretRef"
    found = values_of(scene.facts, name, ("ca.crt", "tls.crt", "tls.key"), field=field)
    if isinstance(found, Wait):
        return waiting(found)
    authority = x509.describe(found["ca.crt"])
    why = x509.why_no_pair(found["tls.crt"], found["tls.key"])
    if isinstance(authority, Invalid):
        why = f"ca.crt: {authority.message}"
    if why:
        message = f"{field}: Secret {name}: {why}; correct it"
        return finding("ReferencesResolved", "False", "CertificateUnusable", message)
    return _ended(scene, field, found["tls.crt"])


def _policy(scene: Scene) -> Finding | None:
    policy, reference = scene.facts.policy, scene.region.spec.policy_ref
    if reference is None or isinstance(policy, PolicyFacts):
        return None
    name = f"spec.policyRef: SyncPolicy {reference.name}"
    if isinstance(policy, Unknown):
        return finding("ReferencesResolved", "Unknown", "NotObserved", f"{name}: {policy.message}")
    if isinstance(policy, Invalid):
        message = f"{name}: {policy.message}; the rules accepted last stay in force"
        return finding("ReferencesResolved", "False", "PolicyNotAccepted", message)
    message = f"{name} does not exist; create it. The rules accepted last stay in force"
    return finding("ReferencesResolved", "False", "PolicyNotFound", message)


def _database_key(scene: Scene) -> Finding | None:
    reference, found = scene.region.spec.database_key_secret_ref, scene.facts.fleet.database_key
    name = f"spec.databaseKeySecretRef: Secret {reference.name}"
    if isinstance(found, Unknown):
        return finding("ReferencesResolved", "Unknown", "NotObserved", f"{name}: {found.message}")
    if isinstance(found, Invalid):
        return finding("ReferencesResolved", "False", "InvalidInput", f"{name}: {found.message}")
    if found is None:
        return finding("ReferencesResolved", "False", "DatabaseKeyMissing", f"{name} is not there")
    if not found.values.get(reference.key):
        message = f"{name} has no key {reference.key}; put it back"
        return finding("ReferencesResolved", "False", "SecretKeyMissing", message)
    return None


def placement_reachable(scene: Scene) -> Finding:
    """Whether the cluster and the namespace can be used; judged as planning does, also where nothing is planned."""
    told = scene.told("PlacementReachable")
    if told:
        return told
    for step in placement_gate(scene.context):
        if isinstance(step, Wait) and step.condition == "PlacementReachable":
            return waiting(step)
        if isinstance(step, Wait):
            return finding("PlacementReachable", "Unknown", "NotObserved", step.message)
    return finding(
        "PlacementReachable", "True", "Reachable", f"namespace {scene.region.placement_namespace} can be used"
    )


def certificates_ready(scene: Scene) -> Finding:
    """Whether the agent's certificate is good for long enough, and how a rotation of the CA stands."""
    told = scene.told("CertificatesReady")
    if told:
        return told
    if scene.children is None:
        return finding("CertificatesReady", "Unknown", "PlacementUnreachable", _why_lost(scene))
    name, now = naming.agent_tls(scene.region.metadata.name), scene.facts.now
    leaf = leaf_of(scene.children.secrets.get(name))
    if not isinstance(leaf, CertificateFacts):
        message = leaf.message if leaf else "it is not there yet"
        return finding("CertificatesReady", "False", "NotIssued", f"Secret {name}: {message}")
    if leaf.not_after <= now:
        return finding("CertificatesReady", "False", "Expired", f"the agent's certificate ended {leaf.not_after}")
    if certificates.expiring(leaf, now=now):
        message = f"the agent's certificate ends {leaf.not_after} and was not renewed"
        return finding("CertificatesReady", "False", "Expiring", message)
    rotation = rotation_of(scene)
    if rotation.phase != "None":
        held = f", waiting for {', '.join(rotation.held_by)}" if rotation.held_by else ""
        return finding("CertificatesReady", "True", "Rotating", f"the fleet's CA is changed: {rotation.phase}{held}")
    return finding("CertificatesReady", "True", "Valid", f"the agent's certificate ends {leaf.not_after}")


def rotation_of(scene: Scene) -> certificates.Rotation:
    """How far a change of the fleet's CA is; None while there is no CA to be read."""
    ca = scene.facts.fleet.ca
    known = certificates.authorities(ca) if isinstance(ca, SecretFacts) else None
    if not isinstance(known, certificates.Authorities):
        return certificates.Rotation("None")
    return certificates.rotation(known, scene.facts.fleet.holders, now=scene.facts.now)


def registered(scene: Scene) -> Finding:
    """Whether the region's own management server lists it, as its agent proved."""
    told = scene.told("Registered")
    if told:
        return told
    agent = scene.agent
    if agent is None:
        return _agent_unheard(scene, "Registered")
    management = agent.management
    if management.own_region_listed:
        return finding("Registered", "True", "Registered", "the management server lists the region")
    if management.reachable is False and management.reason == "ManagementRefused":
        return finding("Registered", "False", "RegistrationRefused", management.message)
    if management.reachable is False:
        message = management.message or "the management server does not answer"
        return finding("Registered", "Unknown", "ManagementServerUnreachable", message)
    if management.own_region_listed is None:
        return finding("Registered", "Unknown", "NotObserved", "the agent has not looked yet")
    if management.message:
        return finding("Registered", "False", "RegistrationRefused", management.message)
    return finding("Registered", "False", "NotRegistered", "the management server does not list the region yet")


def history_intact(scene: Scene) -> Finding:
    """Whether nobody else writes under this region's name."""
    agent = scene.agent
    if agent is None:
        return _agent_unheard(scene, "HistoryIntact")
    match agent.history_intact:
        case "ForgedVersion":
            message = "a peer sent versions in this region's name that it never gave; they were refused"
            return finding("HistoryIntact", "False", "ForgedVersion", message)
        case "Restored":
            message = "the database was restored; its history goes on under a new incarnation"
            return finding("HistoryIntact", "True", "Restored", message)
        case "Continuous":
            return finding("HistoryIntact", "True", "Continuous", "the history is unbroken")


def _agent_unheard(scene: Scene, type_: str) -> Finding:
    status = scene.facts.agent.status
    if isinstance(status, Unknown):
        return finding(type_, "Unknown", "AgentUnreachable", status.message)
    return finding(type_, "Unknown", "NotObserved", "the agent has not answered yet")


def _why_lost(scene: Scene) -> str:
    children = scene.facts.children
    return children.message if isinstance(children, Unknown) else ""
