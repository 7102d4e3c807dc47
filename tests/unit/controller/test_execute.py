"""Steps are done in order, a failure ends the pass, and nothing that is somebody else's is touched."""

from datetime import UTC, datetime

import pytest

from region_operator.api.agent import Acknowledgement, Claim, ConfigurationDocument, Refusal, RegionIdentity, Rules
from region_operator.controller.agent_client import AgentEndpoint, AgentRefused
from region_operator.controller.execute import Executor, Site
from region_operator.controller.facts import ObjectRef
from region_operator.controller.plan import steps
from region_operator.controller.plan.labels import Site as Place
from region_operator.controller.plan.labels import metadata
from region_operator.controller.plan.steps import RegionPlan
from region_operator.errors import Conflict, Unavailable
from region_operator.supervision.units import Key
from unit.controller.api_server import ApiServer
from unit.controller.plan.regions import region

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
PLACE = Place("hub-uid", "clouds", "minimal", 1, "clouds")
REGION_PATH = "/apis/region-operator.io/v1alpha1/namespaces/clouds/regions/minimal"
ENDPOINT = AgentEndpoint("https://agent", "agent-1", None)


def config_map(name: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(PLACE, name, "region"), "data": data}


def path(name: str) -> str:
    return f"/api/v1/namespaces/clouds/configmaps/{name}"


def ref(name: str, kind: str = "ConfigMap") -> ObjectRef:
    return ObjectRef(kind, "clouds", name)


class Agents:
    """The agent client and the observer of answers, as the executor uses them."""

    def __init__(self) -> None:
        self.said: list[object] = []
        self.error: Exception | None = None
        self.known: AgentEndpoint | None = ENDPOINT

    def endpoint(self, key: Key) -> AgentEndpoint | None:
        assert key == Key("Region", "clouds", "minimal")
        return self.known

    async def put_configuration(self, endpoint, document, *, etag):
        assert endpoint is ENDPOINT
        if self.error is not None:
            raise self.error
        self.said.append(("put", etag))
        return Acknowledgement(etag="sha256:new", sources=[])

    def acknowledged(self, key, answer, rules):
        self.said.append(("acknowledged", answer.etag, rules.hash))

    def refused(self, key, refusal):
        self.said.append(("refused", refusal.reason, refusal.field))

    async def look(self, key):
        self.said.append("look")


class World:
    def __init__(self) -> None:
        self.api, self.agents, self.warnings = ApiServer(), Agents(), []
        self.executor = Executor(agents=self.agents, observer=self.agents, warn=self._warn, now=lambda: NOW)
        self.hub = self.api.cluster()
        self.region = region(resourceVersion="1")

    async def _warn(self, region, reason, message):
        self.warnings.append((reason, message))

    async def run(self, *planned: steps.Step, stage: steps.Stage = "database", placement: bool = True):
        site = Site(self.region, self.hub, self.hub if placement else None)
        return await self.executor.run(site, RegionPlan(tuple((stage, step) for step in planned)))


@pytest.fixture
def world() -> World:
    return World()


async def test_steps_are_done_in_order_and_a_wait_is_nothing_to_do(world):
    wait = steps.Wait("DatabaseReady", "Provisioning", "it starts", gate=False)
    outcome = await world.run(steps.Apply(config_map("a")), wait, steps.Apply(config_map("b")))

    assert (outcome.changed, outcome.failure) == (2, None)
    assert world.api.writes == [f"PATCH {path('a')}", f"PATCH {path('b')}"]


async def test_applying_what_is_there_changes_nothing(world):
    await world.run(steps.Apply(config_map("a", x="1")))
    again = await world.run(steps.Apply(config_map("a", x="1")))

    assert again.changed == 0
    assert len(world.api.writes) == 1


@pytest.mark.parametrize(
    ("error", "reason", "unknown"),
    [
        (Unavailable(reason="ProbeTimeout", message="no answer"), "ProbeTimeout", True),
        (Conflict("changed meanwhile"), "Conflict", False),
    ],
)
async def test_the_first_failure_ends_the_pass(world, error, reason, unknown):
    world.api.fail["/b"] = error
    planned = [steps.Apply(config_map(name)) for name in ("a", "b", "c")]

    outcome = await world.run(*planned)

    assert outcome.changed == 1
    assert (outcome.failure.reason, outcome.failure.unknown, outcome.failure.stalled) == (reason, unknown, False)
    assert (outcome.failure.stage, outcome.failure.step) == ("database", planned[1])
    assert not [call for call in world.api.calls if call.endswith(path("c"))]


@pytest.mark.rule("OPERATOR 6")
@pytest.mark.parametrize("step", [steps.Apply, steps.CreateOnly])
async def test_an_object_of_somebody_else_is_a_collision_and_stays_as_it_is(world, step):
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "clouds"}, "data": {}}
    before = world.api.put(path("a"), theirs)

    outcome = await world.run(step(config_map("a", x="1")))

    assert (outcome.failure.reason, outcome.failure.stalled) == ("NameCollision", True)
    assert world.api.objects[path("a")] == before


@pytest.mark.rule("OPERATOR 6")
async def test_an_object_that_vanished_is_not_made_again_by_a_late_leader(world):
    manifest = config_map("a")
    manifest["metadata"]["uid"] = "uid-of-the-one-seen"

    outcome = await world.run(steps.Apply(manifest))

    assert outcome.failure.reason == "Conflict"
    assert world.api.writes == []


async def test_create_only_leaves_what_is_there(world):
    await world.run(steps.CreateOnly(config_map("a", x="1")))
    outcome = await world.run(steps.CreateOnly(config_map("a", x="2")))

    assert (outcome.changed, outcome.failure) == (0, None)
    assert world.api.objects[path("a")]["data"] == {"x": "1"}


async def test_only_the_object_that_was_seen_is_deleted(world):
    made = world.api.put(path("a"), config_map("a"))
    other = await world.run(steps.Delete(ref("a"), "another-uid"))
    gone = await world.run(steps.Delete(ref("b"), "uid"))
    assert (other.changed, gone.changed, world.api.writes) == (0, 0, [])

    outcome = await world.run(steps.Delete(ref("a"), made["metadata"]["uid"]))
    assert outcome.changed == 1
    assert path("a") not in world.api.objects


async def test_a_patch_of_an_object_that_changed_is_not_forced(world):
    made = world.api.put(path("a"), config_map("a", x="1"))
    step = steps.Patch(ref("a"), made["metadata"]["uid"], {"data": {"x": "2"}}, resource_version="stale")
    assert (await world.run(step)).failure.reason == "Conflict"
    assert world.api.objects[path("a")]["data"] == {"x": "1"}


async def test_without_the_cluster_nothing_is_tried_there(world):
    outcome = await world.run(steps.Apply(config_map("a")), placement=False)
    assert (outcome.failure.reason, outcome.failure.unknown) == ("PlacementUnreachable", True)
    assert world.api.calls == []


@pytest.mark.rule("OPERATOR 14")
async def test_who_does_not_lead_writes_nothing(world):
    world.api.leads = False
    outcome = await world.run(steps.Apply(config_map("a")))
    assert outcome.failure.reason == "NotLeader"
    assert world.api.writes == []


@pytest.mark.rule("OPERATOR 2")
async def test_the_finalizer_is_set_and_removed_beside_those_of_others(world):
    body = {"metadata": {"name": "minimal", "namespace": "clouds", "uid": "u", "finalizers": ["others/one"]}}
    stored = world.api.put(REGION_PATH, body)
    meta = {"finalizers": ["others/one"], "resourceVersion": stored["metadata"]["resourceVersion"]}
    world.region = region(**meta)

    assert (await world.run(steps.AddFinalizer(), stage="finalizer")).changed == 1
    finalizers = world.api.objects[REGION_PATH]["metadata"]["finalizers"]
    assert finalizers == ["others/one", "region-operator.io/teardown"]

    world.region = region(**world.api.objects[REGION_PATH]["metadata"])
    await world.run(steps.RemoveFinalizer(), stage="teardown")
    assert world.api.objects[REGION_PATH]["metadata"]["finalizers"] == ["others/one"]


async def test_a_region_that_changed_meanwhile_keeps_its_finalizer(world):
    world.api.put(REGION_PATH, {"metadata": {"name": "minimal", "namespace": "clouds"}})
    world.region = region(resourceVersion="of-the-past")
    assert (await world.run(steps.RemoveFinalizer(), stage="teardown")).failure.reason == "Conflict"


async def test_a_fleets_authority_is_made_once_and_signs_leaves_whose_keys_stay_in_their_secret(world):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "region-operator-ca", "namespace": "clouds"}}
    fleet = steps.CreateFleetSecret(secret)
    assert (await world.run(fleet)).changed == 1
    assert (await world.run(fleet)).changed == 0

    request = steps.CertificateRequest(common_name="agent-1", dns_names=("agent-1.example",))
    leaf = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "leaf", "namespace": "clouds"}}
    ca = ref("region-operator-ca", "Secret")
    outcome = await world.run(steps.IssueCertificate(leaf, request, ca_secret=ca, trust=("PEM",)))

    assert (outcome.changed, outcome.failure) == (1, None)
    assert set(world.api.objects["/api/v1/namespaces/clouds/secrets/leaf"]["data"]) == {"ca.crt", "tls.crt", "tls.key"}
    assert "data" not in leaf


async def test_without_the_authority_no_leaf_is_issued(world):
    leaf = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "leaf", "namespace": "clouds"}}
    ca = ref("region-operator-ca", "Secret")
    outcome = await world.run(steps.IssueCertificate(leaf, steps.CertificateRequest("x"), ca_secret=ca, trust=()))
    assert outcome.failure.reason == "NotIssued"


def push() -> steps.PushConfiguration:
    document = ConfigurationDocument(
        claim=Claim(hub="hub-uid", region="clouds/minimal", epoch=1),
        sources=[],
        region=RegionIdentity(id=1, name="minimal", management_endpoint="http://x/"),
        rules=Rules(hash="sha256:rules"),
    )
    return steps.PushConfiguration(document, if_match="sha256:old")


async def test_a_document_that_is_taken_is_noted(world):
    outcome = await world.run(push(), stage="configuration")
    assert outcome.changed == 1
    assert world.agents.said == [("put", "sha256:old"), ("acknowledged", "sha256:new", "sha256:rules")]


async def test_a_document_that_is_refused_is_noted_with_its_place(world):
    world.agents.error = AgentRefused(Refusal(reason="InvalidDocument", message="bad", pointer="/links/0"))
    outcome = await world.run(push(), stage="configuration")
    assert (outcome.failure.reason, outcome.failure.unknown) == ("InvalidDocument", False)
    assert world.agents.said == [("refused", "InvalidDocument", "/links/0")]


async def test_an_agent_that_holds_another_document_is_looked_at_again(world):
    world.agents.error = Conflict("etag")
    outcome = await world.run(push(), stage="configuration")
    assert outcome.failure.reason == "Conflict"
    assert world.agents.said == ["look"]


async def test_an_agent_without_an_address_is_not_called(world):
    world.agents.known = None
    outcome = await world.run(push(), stage="configuration")
    assert (outcome.failure.reason, outcome.failure.unknown) == ("NotYetConnected", True)


async def test_a_warning_is_no_change(world):
    outcome = await world.run(steps.Warn("Abandoned", "left behind: nothing"))
    assert (outcome.changed, world.warnings) == (0, [("Abandoned", "left behind: nothing")])
