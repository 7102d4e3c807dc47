"""The stages of a Region's plan that make what is secret: the fleet's CA and key, passwords, copies, certificates."""

from region_operator import naming
from region_operator.controller.facts import CertificateFacts, Invalid, ObjectRef, SecretFacts, Unknown, Usable, digest
from region_operator.controller.plan import certificates, secrets
from region_operator.controller.plan.context import Context
from region_operator.controller.plan.external import Copies, copies
from region_operator.controller.plan.labels import Site, metadata
from region_operator.controller.plan.steps import (
    CertificateRequest,
    CreateFleetSecret,
    IssueCertificate,
    Manifest,
    Patch,
    Step,
    Wait,
    Where,
)
from region_operator.controller.plan.x509 import describe

# --- fleet --------------------------------------------------------------------------------------------------------


def fleet_stage(context: Context) -> list[Step]:
    """The fleet's CA, digest key and database key, all made once, in the hub."""
    fleet, namespace = context.facts.fleet, context.region.metadata.namespace
    if not isinstance(fleet.ca, SecretFacts):
        if fleet.ca is not None:
            return [_unusable("CertificatesReady", naming.FLEET_CA_SECRET, fleet.ca)]
        manifest = secrets.fleet_manifest(namespace, naming.FLEET_CA_SECRET)
        return [CreateFleetSecret(manifest), Wait("CertificatesReady", "NotIssued", "the fleet's CA is being made")]
    if not fleet.uid or not context.digest_key:
        message = f"Secret {naming.FLEET_CA_SECRET} lacks fleet-uid or digest-key; restore it from a backup"
        return [Wait("CertificatesReady", "NotIssued", message)]
    return _database_key(context)


def _database_key(context: Context) -> list[Step]:
    fleet, site = context.facts.fleet, context.site
    reference = context.region.spec.database_key_secret_ref
    found = fleet.database_key
    if isinstance(found, Unknown | Invalid):
        return [_unusable("ReferencesResolved", reference.name, found)]
    copy = context.children.secrets.get(naming.database_key(site.region))
    if found is None:
        return _missing_database_key(context, in_use=copy is not None or _has_volume(context))
    value = found.values.get(reference.key)
    if not value:
        message = f"spec.databaseKeySecretRef: Secret {reference.name} has no key {reference.key}; put it back"
        return [Wait("ReferencesResolved", "SecretKeyMissing", message)]
    if copy is not None and copy.digests.get("key") not in (None, digest(context.digest_key, value)):
        message = (
            f"spec.databaseKeySecretRef: the key in Secret {reference.name} is not the one that this region's data was "
            f"written with (Secret {site.namespace}/{copy.meta.ref.name}); put the old one back"
        )
        return [Wait("ReferencesResolved", "InvalidInput", message)]
    name = naming.database_key(site.region)
    return secrets.copy_steps(site, name, {"key": value}, copy, key=context.digest_key)


def _missing_database_key(context: Context, *, in_use: bool) -> list[Step]:
    """Made once per fleet; never again while anything was written with it (rule 10)."""
    reference, taken = context.region.spec.database_key_secret_ref, context.facts.fleet.key_taken
    if isinstance(taken, Unknown):
        return [Wait("ReferencesResolved", "NotObserved", f"is the key in use? {taken.message}", unknown=True)]
    if in_use or taken:
        message = (
            f"Secret {reference.name} with the fleet's database key is gone; restore it from a backup or from a copy "
            "in a placement. It is never made anew: what was encrypted with it could not be read"
        )
        return [Wait("ReferencesResolved", "DatabaseKeyMissing", message)]
    if reference.name != naming.DATABASE_KEY_SECRET:
        message = f"spec.databaseKeySecretRef: Secret {reference.name} does not exist; create it"
        return [Wait("ReferencesResolved", "SecretNotFound", message)]
    step = secrets.fleet_database_key(
        context.region.metadata.namespace, reference.name, reference.key, generate=context.generate
    )
    return [step, Wait("ReferencesResolved", "DatabaseKeyMissing", "the fleet's database key is being made")]


def _has_volume(context: Context) -> bool:
    return naming.database_volume(context.site.region) in context.children.volume_claims


def _unusable(condition: str, name: str, found: Unknown | Invalid) -> Wait:
    unknown = isinstance(found, Unknown)
    reason = "NotObserved" if unknown else "InvalidInput"
    return Wait(condition, reason, f"Secret {name}: {found.message}", unknown=unknown)


# --- the region's Secrets -----------------------------------------------------------------------------------------


def secrets_stage(context: Context) -> list[Step]:
    """Generated Secrets and copies; the plan goes on once they are there, so their digests are known."""
    found = copies(context.region, context.facts)
    if isinstance(found, Wait):
        return [found]
    site, key, generate = context.site, context.digest_key, context.generate
    seen = context.children.secrets
    database = seen.get(naming.database(site.region))
    steps: list[Step] = (
        [secrets.database_secret(site, found.users, key=key, generate=generate)]
        if database is None
        else secrets.database_secret_patch(found.users, database, key=key, generate=generate)
    )
    if context.region.spec.external_management_server is None:
        if naming.admin(site.region) not in seen:
            steps.append(secrets.admin_secret(site, generate=generate))
        if naming.management_api(site.region) not in seen:
            steps.append(secrets.management_api_secret(site, generate=generate))
    steps += _copied(context, found)
    return [*steps, Wait("DatabaseReady", "Provisioning", "Secrets are being written")] if steps else []


def _copied(context: Context, found: Copies) -> list[Step]:
    site, seen = context.site, context.children.secrets
    wanted = {
        naming.database_tls(site.region): found.database_ca,
        naming.management_api(site.region): found.management_api,
        naming.management_tls(site.region): found.management_tls,
    }
    return [
        step
        for name, values in wanted.items()
        if values is not None
        for step in secrets.copy_steps(site, name, values, seen.get(name), key=context.digest_key)
    ]


def copied_secrets(context: Context) -> frozenset[str]:
    """Secrets that hold nothing of their own, so nothing is lost with them."""
    region, spec = context.site.region, context.region.spec
    names = {naming.agent_tls(region), naming.database_tls(region), naming.management_tls(region)}
    return frozenset(names | ({naming.management_api(region)} if spec.external_management_server else set()))


# --- certificates -------------------------------------------------------------------------------------------------


def certificates_stage(context: Context) -> list[Step]:
    """Leaves and bundles of this Region, the operator's own leaf, and the next phase of a rotation."""
    ca = context.facts.fleet.ca
    assert isinstance(ca, SecretFacts)
    known = certificates.authorities(ca)
    if isinstance(known, Invalid):
        return [Wait("CertificatesReady", "NotIssued", known.message)]
    rotation = certificates.rotation(known, context.facts.fleet.holders, now=context.facts.now)
    site, spec, fleet_uid = context.site, context.region.spec, context.facts.fleet.uid
    expose = None if spec.external_agent else spec.managed_agent.expose.host
    steps = certificates.authority_steps(ca, known, rotation)
    steps += _operator_leaf(context, known)
    request = certificates.agent_request(site, fleet_uid=fleet_uid, expose_host=expose)
    steps += _leaf(context, known, naming.agent_tls(site.region), request)
    if spec.database.managed:
        request = certificates.database_request(site)
        steps += _leaf(context, known, naming.database_tls(site.region), request)
    missing = [step for step in steps if isinstance(step, IssueCertificate) and not step.uid]
    return [*steps, Wait("CertificatesReady", "NotIssued", "certificates are being issued")] if missing else steps


def _operator_leaf(context: Context, known: certificates.Authorities) -> list[Step]:
    namespace, seen = context.region.metadata.namespace, context.facts.fleet.operator_client
    if isinstance(seen, Unknown | Invalid):
        return [_unusable("CertificatesReady", naming.OPERATOR_CLIENT_SECRET, seen)]
    manifest = secrets.fleet_manifest(namespace, naming.OPERATOR_CLIENT_SECRET, "kubernetes.io/tls")
    request = certificates.operator_request(context.facts.fleet.uid)
    return _issue(context, known, manifest, request, seen=seen, where="hub")


def _leaf(context: Context, known: certificates.Authorities, name: str, request: CertificateRequest) -> list[Step]:
    manifest = _leaf_manifest(context.site, name)
    return _issue(context, known, manifest, request, seen=context.children.secrets.get(name), where="placement")


def _leaf_manifest(site: Site, name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": metadata(site, name, "region"),
    }


def _issue(
    context: Context,
    known: certificates.Authorities,
    manifest: Manifest,
    request: CertificateRequest,
    *,
    seen: SecretFacts | None,
    where: Where,
) -> list[Step]:
    """Issue the leaf, or bring its bundle up to date, or nothing."""
    leaf = leaf_of(seen)
    why = certificates.why_issue(leaf, request, signer=known.current, now=context.facts.now)
    uid = seen.meta.uid if seen else ""
    if why:
        ca = ObjectRef("Secret", context.region.metadata.namespace, naming.FLEET_CA_SECRET)
        step = IssueCertificate(manifest, request, ca_secret=ca, trust=known.bundle, uid=uid, note=why, where=where)
        return [step]
    bundle = "".join(known.bundle).encode()
    if seen is not None and seen.values.get("ca.crt") != bundle:
        return [Patch(seen.meta.ref, uid, {"data": secrets.encoded({"ca.crt": bundle})}, where=where)]
    return []


def leaf_of(seen: Usable[SecretFacts | None]) -> CertificateFacts | Invalid | None:
    """The certificate in a Secret, None when there is none."""
    if not isinstance(seen, SecretFacts) or not seen.values.get("tls.crt"):
        return None
    return describe(seen.values["tls.crt"])
