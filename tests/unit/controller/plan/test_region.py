from dataclasses import replace

import pytest
import yaml

from region_operator import naming
from region_operator.api.reasons import REGION
from region_operator.controller import certificates
from region_operator.controller.facts import (
    Children,
)
from region_operator.controller.plan import steps
from region_operator.controller.plan.region import PlanSettings
from unit.controller.plan.regions import SPECS, region
from unit.controller.plan.world import NOW, World
from unit.controller.plan.worlds import settled


@pytest.mark.parametrize("name", SPECS)
def test_a_region_comes_up_and_then_nothing_is_left_to_change(name):
    world = settled(name)

    assert world.step() == 0
    assert world.agent is not None
    assert world.agent.configuration_etag.startswith("sha256:")
    gates = [wait for wait in world.plan().waits if wait.gate]
    assert gates == []


@pytest.mark.parametrize("name", ["full", "external-database"])
def test_a_pass_may_be_cut_off_after_any_act_and_the_end_is_the_same(name):
    whole = settled(name)
    for cut in (1, 2, 5):
        world = World(region(name))
        for _ in range(15):
            world.step(at_most=cut)
            world.start()
        world.settle()
        assert shapes(world) == shapes(whole), f"cut off after {cut}"


def shapes(world: World) -> list[str]:
    """All objects without what is random."""
    found = []
    for item in world.manifests():
        meta = {"name": item["metadata"]["name"], "labels": item["metadata"]["labels"]}
        keys = sorted(item["data"]) if "data" in item else []
        name = meta["name"].rsplit("-", 1)[0] if item["kind"] == "Job" else meta["name"]
        found.append(f"{item['kind']} {name} {meta['labels']} {keys}")
    return sorted(found)


@pytest.mark.rule("OPERATOR 22")
@pytest.mark.parametrize("name", SPECS)
def test_pods_stay_as_they_are_when_only_the_operator_is_upgraded(name):
    world = settled(name)
    before = templates(world)

    world.settings = PlanSettings(image=world.settings.image, mariadb_image="mariadb:11.8")
    world.settle()

    assert templates(world) == before
    assert "0.1.0" not in yaml.safe_dump([t for t in before.values()]).replace(world.settings.image, "")


def templates(world: World) -> dict[str, object]:
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["spec"]["template"]
        for item in world.manifests()
        if "template" in item.get("spec", {})
    }


def test_a_young_region_is_made_in_order():
    world = settled()
    order = [line for line in dict.fromkeys(world.log) if line.startswith(("Apply", "CreateOnly"))]

    def place(start: str) -> int:
        return next(at for at, line in enumerate(order) if line.startswith(start))

    assert (
        place("CreateOnly ConfigMap/minimal-claim")
        < place("CreateOnly Secret/minimal-database")
        < place("Apply StatefulSet/")
        < place("CreateOnly Job/")
        < place("Apply Deployment/")
    )


@pytest.mark.rule("OPERATOR 21")
def test_an_edited_password_moves_to_the_other_user_and_the_old_one_is_locked():
    world = settled()
    world.edit("minimal-database", agent_password="chosen by hand")
    world.settle()

    secret = world.data("placement", "minimal-database")
    assert (secret["agent-username"], secret["agent-password"]) == (b"agent_b", b"chosen by hand")
    assert secret["manager-username"] == b"manager_a"
    retiring = [item for item in world.manifests() if item["kind"] == "Job" and retires(item)]
    assert len(retiring) == 1
    assert world.step() == 0


@pytest.mark.rule("OPERATOR 21")
def test_the_old_user_is_not_locked_while_a_pod_may_still_use_it():
    world = settled()
    world.edit("minimal-database", manager_password="chosen by hand")
    for _ in range(5):
        world.step()
    world.started |= {world._revision(item) for item in world.manifests() if item["kind"] in ("Job", "StatefulSet")}
    for _ in range(5):
        world.step()
    assert not [item for item in world.manifests() if item["kind"] == "Job" and retires(item)]

    world.settle()
    assert [item for item in world.manifests() if item["kind"] == "Job" and retires(item)]


def test_everything_that_has_to_start_starts_together_and_waits_for_the_database_by_itself():
    world = World(region())
    for _ in range(10):
        world.step()
    assert {"StatefulSet", "Job", "Deployment"} <= {item["kind"] for item in world.manifests()}
    assert [wait.reason for wait in world.plan().waits] == ["Provisioning", "Preparing"]


def test_programs_that_run_are_not_given_new_users_before_these_are_made():
    world = settled()
    world.edit("minimal-database", manager_password="chosen by hand")
    before = templates(world)["Deployment/minimal-management"]
    for _ in range(5):
        world.step()  # the Job is there and has not run
    assert templates(world)["Deployment/minimal-management"] == before
    world.settle()
    assert templates(world)["Deployment/minimal-management"] != before


def test_a_failed_job_is_told_and_tried_again_later():
    world = World(region())
    for _ in range(10):
        world.step()
        world.started |= {world._revision(item) for item in world.manifests() if item["kind"] == "StatefulSet"}
    children = world.look().children
    ((name, job),) = children.jobs.items()
    for age, deletes in ((10.0, 0), (130.0, 1)):
        failed = replace(job, state="Failed", message="no route", finished_age_s=age)
        world.changes = {"children": replace(children, jobs={name: failed})}
        plan = world.plan()
        assert [wait.reason for wait in plan.waits] == ["PrepareFailed"]
        assert "no route" in plan.waits[0].message
        assert len([act for act in plan.acts if isinstance(act, steps.Delete)]) == deletes


@pytest.mark.parametrize(
    ("said", "reason", "field"),
    [
        ("AuthFailed: Access denied", "CredentialsRejected", "spec.database.external.adminCredentialsSecretRef"),
        ("ConnectionRefused: timed out", "ConnectionFailed", "spec.database.external.host"),
        ("TLSFailed: self-signed certificate", "ConnectionFailed", "spec.database.external.tls"),
        ("TableMissing: no user", "Preparing", "Job"),
    ],
)
def test_why_a_pod_of_a_job_ended_is_told_at_once(said, reason, field):
    world = settled("external-database")
    children = world.look().children
    jobs = {name: replace(job, state="Running", message=said) for name, job in children.jobs.items()}
    world.changes = {"children": replace(children, jobs=jobs)}
    (wait,) = world.plan().waits
    assert wait.reason == reason
    assert wait.message.startswith(field)
    assert said in wait.message


def retires(job: dict) -> bool:
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return {"name": "PREPARE_RETIRE_OTHER_USERS", "value": "true"} in env


@pytest.mark.rule("OPERATOR 11")
@pytest.mark.parametrize("name", SPECS)
def test_only_the_prepare_job_sees_the_databases_admin(name):
    for item in settled(name).manifests():
        if item["kind"] != "Job" and "admin-password" in yaml.safe_dump(item):
            assert item["kind"] == "Secret"


@pytest.mark.rule("OPERATOR 22")
def test_a_volume_grows_by_patch_orphan_and_a_new_stateful_set():
    world = settled()
    world.region = region(spec={"id": 1, "database": {"managed": {"storage": {"size": "16Gi"}}}})
    world.log.clear()
    world.settle()

    resized = [line for line in world.log if "Database" not in line and "minimal-database" in line]
    at = resized.index("PatchVolumeClaim PersistentVolumeClaim/data-minimal-database-0")
    assert resized[at + 1 : at + 3] == [
        "OrphanDelete StatefulSet/minimal-database",
        "Apply StatefulSet/minimal-database",
    ]
    claim = world.objects[("placement", "PersistentVolumeClaim", "data-minimal-database-0")]
    assert claim["spec"]["resources"]["requests"]["storage"] == "16Gi"


def test_a_volume_that_is_larger_than_the_spec_is_left_alone_and_told():
    world = settled()
    world.region = region(spec={"id": 1, "database": {"managed": {"storage": {"size": "4Gi"}}}})

    assert world.step() == 0
    assert "StorageShrinkRefused" in [wait.reason for wait in world.plan().waits]


def test_what_the_spec_no_longer_asks_for_is_removed():
    world = settled("full")
    spec = {**SPECS["full"], "networkPolicies": "None"}
    spec["database"] = {"managed": {**spec["database"]["managed"], "disruption": "Allow"}}
    world.region = region("full", spec=spec)
    world.settle()

    kinds = {item["kind"] for item in world.manifests()}
    assert not kinds & {"NetworkPolicy", "PodDisruptionBudget"}
    assert {"Service", "StatefulSet", "Deployment"} <= kinds


@pytest.mark.parametrize("missing", ["agent-user", "admin-user", "database-ca"])
def test_a_missing_secret_is_named(missing):
    world = World(region("external-database"))
    del world.references[missing]
    for _ in range(8):
        world.step()

    (wait,) = (wait for wait in world.plan().waits if wait.gate)
    assert (wait.condition, wait.reason) == ("ReferencesResolved", "SecretNotFound")
    assert missing in wait.message


def test_without_an_admin_the_sql_is_awaited_and_no_job_is_run():
    world = World(region("no-admin"))
    for _ in range(8):
        world.step()

    assert "GrantsRequired" in [wait.reason for wait in world.plan().waits]
    assert "Job" not in {item["kind"] for item in world.manifests()}


def test_a_bad_setting_names_its_key_and_stops_only_the_database():
    spec = {"id": 1, "database": {"managed": {"storage": {"size": "8Gi"}, "settings": {"sql_mode": "a\\'b"}}}}
    world = World(region(spec=spec))
    for _ in range(8):
        world.step()

    (wait,) = (wait for wait in world.plan().waits if wait.gate)
    assert (wait.condition, wait.reason) == ("DatabaseReady", "InvalidInput")
    assert "sql_mode" in wait.message


def test_children_are_labelled_and_never_owned():
    for item in settled("full").manifests():
        assert "ownerReferences" not in item["metadata"]
        assert item["metadata"]["labels"]["region-operator.io/region-name"] == "full"


@pytest.mark.rule("OPERATOR 17")
def test_a_renewed_certificate_reaches_the_management_servers_and_restarts_none():
    world = settled("full")
    before = [item for item in world.manifests() if item["kind"] == "Deployment"]
    renewed = certificates.make_authority("web", key=certificates.new_key(), serial=8, now=NOW)
    world.references["web-tls"] = {"tls.crt": renewed.certificate, "tls.key": renewed.key}
    world.settle()
    assert world.data("placement", naming.management_tls("full"))["tls.crt"] == renewed.certificate
    assert [item for item in world.manifests() if item["kind"] == "Deployment"] == before


def test_every_told_reason_is_one_of_the_conditions_own():
    worlds = [World(region(name)) for name in SPECS]
    seen = set()
    for world in worlds:
        for _ in range(20):
            seen |= {(wait.condition, wait.reason, wait.unknown) for wait in world.plan().waits}
            world.step()
            world.start()
    for condition, reason, unknown in seen:
        assert reason in REGION[condition]["Unknown" if unknown else "False"], (condition, reason)


def test_an_empty_look_is_a_look():
    assert Children().metas() == ()
