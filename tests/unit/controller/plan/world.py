"""A world small enough to hold in one's head: it does what a plan says and is looked at as facts.

Objects are kept as manifests. Servers start, Jobs finish and agents answer only when ``settle`` lets them, so that a
test sees every state between. Certificates are real, from ``controller.certificates``.
"""

import base64
import json
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from region_operator.api.agent import AgentStatus, Rules
from region_operator.api.region import Region
from region_operator.controller import certificates, facts
from region_operator.controller.facts import Meta, ObjectRef
from region_operator.controller.plan import steps
from region_operator.controller.plan.configuration import etag_of
from region_operator.controller.plan.context import agent_endpoint
from region_operator.controller.plan.reads import FLEET_CA, OPERATOR_CLIENT, Read, reads
from region_operator.controller.plan.region import PlanSettings, plan_region

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
HUB, FLEET_UID, DIGEST_KEY = "hub-uid", "0f1e2d3c-fleet", b"digest key of the fleet"
SETTINGS = PlanSettings(image="registry.example/region-operator:0.1.0", mariadb_image="mariadb:10.11")
WEB = certificates.make_authority("web", key=certificates.new_key(), serial=7, now=NOW)
REFERENCES = {
    "agent-user": {"username": b"cloud_agent", "password": b"agent secret"},
    "admin-user": {"username": b"root", "password": b"root secret"},
    "database-ca": {"ca.crt": b"-----CA-----"},
    "web-tls": {"tls.crt": WEB.certificate, "tls.key": WEB.key},
    "api": {"apiKey": b"key", "secretKey": b"secret"},
    "agent-client": {"ca.crt": WEB.certificate, "tls.crt": WEB.certificate, "tls.key": WEB.key},
}
Key = tuple[steps.Where, str, str]


@dataclass
class World:
    """One Region, its hub and its placement."""

    region: Region
    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)
    references: dict[str, dict[str, bytes]] = field(default_factory=lambda: deepcopy(REFERENCES))
    settings: PlanSettings = SETTINGS
    finalizer: bool = False
    deleting: bool = False
    now: datetime = NOW
    agent: AgentStatus | None = None
    changes: dict[str, Any] = field(default_factory=dict)  # facts that a test wants otherwise
    started: set[str] = field(default_factory=set)  # revisions of workloads and Jobs that run
    log: list[str] = field(default_factory=list)
    last_number: int = 0

    # --- acting ---------------------------------------------------------------------------------------------------

    def plan(self) -> steps.RegionPlan:
        return plan_region(self.region, self.look(), self.settings, generate=lambda: f"random-{self._number()}")

    def step(self, *, at_most: int | None = None) -> int:
        """One pass, cut off after ``at_most`` acts; returns how many acts changed something."""
        return sum(self.act(step) for step in self.plan().acts[:at_most])

    def settle(self, *, passes: int = 30) -> None:
        """Pass after pass, with everything starting in between, until nothing changes any more."""
        for _ in range(passes):
            changed = self.step()
            if not self.start() and not changed:
                return
        raise AssertionError(f"still busy: {self.plan().acts}")

    def start(self) -> bool:
        """Servers come up, Jobs finish, the agent answers; whether anything did."""
        ready = {
            self._revision(item)
            for (where, kind, _), item in self.objects.items()
            if where == "placement" and kind in ("StatefulSet", "Deployment", "Job")
        }
        news = ready - self.started
        self.started |= ready
        for (_, kind, name), item in list(self.objects.items()):
            if kind == "StatefulSet" and ("placement", "PersistentVolumeClaim", f"data-{name}-0") not in self.objects:
                self._store("placement", _claim_of(name, item))
                news = news | {name}
        if self.agent is None and self._agent_may_run():
            self.agent = _status(self.region)
            return True
        return bool(news)

    def _agent_may_run(self) -> bool:
        external = self.region.spec.external_agent is not None
        return external or ("placement", "Deployment", f"{self.region.metadata.name}-agent") in self.objects

    def act(self, step: steps.Step) -> bool:  # noqa: PLR0911, C901, PLR0912 - one line per kind of step
        self.log.append(
            f"{type(step).__name__} {getattr(step, 'ref', '') and f'{step.ref.kind}/{step.ref.name}'}".strip()
        )
        match step:
            case steps.Apply() | steps.CreateOnly():
                if isinstance(step, steps.CreateOnly) and self._key(step.where, step.ref) in self.objects:
                    return False
                return self._store(step.where, step.manifest)
            case steps.Patch():
                return self._patch(self._key(step.where, step.ref), step.body)
            case steps.PatchVolumeClaim():
                body = {"spec": {"resources": {"requests": {"storage": step.size}}}}
                return self._patch(self._key("placement", step.ref), body)
            case steps.Delete():
                return self.objects.pop(self._key(step.where, step.ref), None) is not None
            case steps.OrphanDelete():
                return self.objects.pop(self._key("placement", step.ref)) is not None
            case steps.CreateFleetSecret():
                authority = certificates.make_authority("fleet", key=certificates.new_key(), serial=1, now=self.now)
                data = certificates.fleet_secret_data(fleet_uid=FLEET_UID, digest_key=DIGEST_KEY, authority=authority)
                return self._store("hub", {**step.secret, "data": _encoded(data)})
            case steps.IssueNextAuthority():
                made = certificates.make_authority("next", key=certificates.new_key(), serial=2, now=self.now)
                data = _encoded({"next-ca.crt": made.certificate, "next-ca.key": made.key})
                body = {"metadata": {"annotations": dict(step.annotations)}, "data": data}
                return self._patch(self._key("hub", step.ref), body)
            case steps.JsonPatch():
                return self._json_patch(step)
            case steps.IssueCertificate():
                return self._issue(step)
            case steps.PushConfiguration():
                return self._push(step)
            case steps.AddFinalizer() | steps.RemoveFinalizer():
                self.finalizer = isinstance(step, steps.AddFinalizer)
                return True
            case steps.Warn():
                return False
        raise AssertionError(step)

    def _issue(self, step: steps.IssueCertificate) -> bool:
        ca = self.data("hub", step.ca_secret.name)
        leaf = certificates.issue_leaf(
            step.request,
            authority=certificates.KeyPair(ca["ca.crt"], ca["ca.key"]),
            key=certificates.new_key(),
            serial=self._number(),
            now=self.now,
        )
        return self._store(
            step.where, {**step.secret, "data": _encoded(certificates.leaf_secret_data(leaf, step.trust))}
        )

    def _push(self, step: steps.PushConfiguration) -> bool:
        assert self.agent is not None
        etag = etag_of(step.document)
        changed = etag != self.agent.configuration_etag
        update = {"configuration_etag": etag, "sources": step.document.sources, "claim": step.document.claim}
        self.agent = self.agent.model_copy(update=update)
        return changed

    def _json_patch(self, step: steps.JsonPatch) -> bool:
        data = self.objects[self._key(step.where, step.ref)]["data"]
        for operation in step.operations:
            source = operation.get("from", operation["path"]).removeprefix("/data/")
            value = data.pop(source)
            if operation["op"] == "move":
                data[operation["path"].removeprefix("/data/")] = value
        return True

    def _patch(self, key: Key, body: Any) -> bool:
        before = deepcopy(self.objects[key])
        _merge(self.objects[key], body)
        return self.objects[key] != before

    def _store(self, where: steps.Where, manifest: dict[str, Any]) -> bool:
        fresh = json.loads(json.dumps(manifest))  # nothing else gets through to Kubernetes
        key = (where, fresh["kind"], fresh["metadata"]["name"])
        before = self.objects.get(key)
        fresh["metadata"]["uid"] = before["metadata"]["uid"] if before else f"uid-{self._number()}"
        self.objects[key] = fresh
        return fresh != before

    # --- looking --------------------------------------------------------------------------------------------------

    def look(self) -> facts.RegionFacts:
        seen = facts.RegionFacts(
            hub=facts.HubFacts(id=HUB, term=1),
            fleet=facts.FleetFacts(
                ca=self._secret("hub", FLEET_CA),
                database_key=self._secret("hub", Read("cloud-database-key", ("key",))),
                operator_client=self._secret("hub", OPERATOR_CLIENT),
            ),
            placement=facts.PlacementFacts(
                cluster="cluster-uid",
                same_cluster=not (self.region.spec.placement and self.region.spec.placement.kubeconfig_secret_ref),
                namespace=facts.NamespaceFacts(self.region.placement_namespace, consent=("clouds",)),
            ),
            children=self._children(),
            references={read.name: self._reference(read) for read in reads(self.region).references},
            policy=facts.PolicyFacts("", "", "", 0, Rules(hash="sha256:built-in")),
            now=self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            deleting=self.deleting,
            finalizer=self.finalizer,
        )
        endpoint = agent_endpoint(self.region, seen)
        agent = facts.AgentFacts(endpoint=endpoint, status=self.agent, last=self.agent)
        return replace(seen, **{"agent": agent, **self.changes})

    def _children(self) -> facts.Children:
        def of(kind: str) -> dict[str, dict[str, Any]]:
            return {key[2]: item for key, item in self.objects.items() if key[:2] == ("placement", kind)}

        secrets = {read.name: self._secret("placement", read) for read in reads(self.region).secrets}
        return facts.Children(
            stateful_sets={name: self._workload(item) for name, item in of("StatefulSet").items()},
            deployments={name: self._workload(item) for name, item in of("Deployment").items()},
            jobs={
                name: facts.JobFacts(_meta(item), "Complete" if self._revision(item) in self.started else "Running")
                for name, item in of("Job").items()
            },
            services={
                name: facts.ServiceFacts(
                    _meta(item),
                    type=item["spec"]["type"],
                    load_balancer=("203.0.113.9",) if item["spec"]["type"] == "LoadBalancer" else (),
                )
                for name, item in of("Service").items()
            },
            volume_claims={
                name: facts.VolumeClaimFacts(
                    _meta(item), "Bound", requested=item["spec"]["resources"]["requests"]["storage"], expandable=True
                )
                for name, item in of("PersistentVolumeClaim").items()
            },
            secrets={name: item for name, item in secrets.items() if item is not None},
            config_maps={
                name: facts.ConfigMapFacts(_meta(item), item["data"]) for name, item in of("ConfigMap").items()
            },
            others=tuple(_meta(o) for kind in ("NetworkPolicy", "PodDisruptionBudget") for o in of(kind).values()),
        )

    def _workload(self, item: dict[str, Any]) -> facts.WorkloadFacts:
        template, wanted = item["spec"]["template"], item["spec"]["replicas"]
        ready = wanted if self._revision(item) in self.started else 0
        claims = item["spec"].get("volumeClaimTemplates")
        return facts.WorkloadFacts(
            _meta(item),
            replicas=wanted,
            updated_replicas=ready,
            ready_replicas=ready,
            total_replicas=wanted,
            images={part["name"]: part["image"] for part in template["spec"]["containers"]},
            template_annotations=template["metadata"]["annotations"],
            template_storage=claims[0]["spec"]["resources"]["requests"]["storage"] if claims else "",
        )

    def data(self, where: steps.Where, name: str) -> dict[str, bytes]:
        found = self.objects[(where, "Secret", name)].get("data", {})
        return {key: base64.b64decode(value) for key, value in found.items()}

    def _secret(self, where: steps.Where, read: Read) -> facts.SecretFacts | None:
        item = self.objects.get((where, "Secret", read.name))
        return item and _secret_facts(_meta(item), self.data(where, read.name), read)

    def _reference(self, read: Read) -> facts.SecretFacts | None:
        data = self.references.get(read.name)
        return None if data is None else _secret_facts(Meta(ObjectRef("Secret", "clouds", read.name), "u"), data, read)

    def edit(self, secret: str, **values: str) -> None:
        """A user edits a Secret of the placement by hand."""
        named = {key.replace("_", "-"): value.encode() for key, value in values.items()}
        self.objects[("placement", "Secret", secret)]["data"].update(_encoded(named))

    def manifests(self) -> list[dict[str, Any]]:
        """Everything in the placement, in order of kind and name."""
        return [item for key, item in sorted(self.objects.items()) if key[0] == "placement"]

    def _revision(self, item: dict[str, Any]) -> str:
        return f"{item['kind']}/{item['metadata']['name']} {item['spec']['template']}"

    def _key(self, where: steps.Where, ref: ObjectRef) -> Key:
        return (where, ref.kind, ref.name)

    def _number(self) -> int:
        self.last_number += 1
        return self.last_number


def _secret_facts(meta: Meta, data: dict[str, bytes], read: Read) -> facts.SecretFacts:
    digests = {key: facts.digest(DIGEST_KEY, value) for key, value in data.items()}
    return facts.SecretFacts(meta, digests, {key: data[key] for key in read.values if key in data})


def _meta(item: dict[str, Any]) -> Meta:
    meta = item["metadata"]
    ref = ObjectRef(item["kind"], meta["namespace"], meta["name"])
    return Meta(ref, meta["uid"], labels=meta.get("labels", {}), annotations=meta.get("annotations", {}))


def _claim_of(name: str, item: dict[str, Any]) -> dict[str, Any]:
    template = deepcopy(item["spec"]["volumeClaimTemplates"][0])
    meta = {**template["metadata"], "name": f"data-{name}-0", "namespace": item["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": template["spec"]}


def _status(region: Region) -> AgentStatus:
    return AgentStatus(
        etag="1", version="0.1.0", api_versions=["v1"], schema_version=1, region_id=region.spec.id,
        incarnation="1", incarnations=1, database_key_fingerprint="sha256:same",
    )  # fmt: skip


def _encoded(data: dict[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def _merge(target: dict[str, Any], patch: Any) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value
