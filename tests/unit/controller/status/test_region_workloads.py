"""What a Region says of its parts while they come, change and fail."""

from dataclasses import replace

from region_operator.controller.facts import (
    PodFacts,
)
from region_operator.controller.outcome import Outcome
from region_operator.controller.plan import steps
from unit.controller.status.regions import Life, with_children


def test_a_pod_that_cannot_start_says_why():
    life = Life.ready()
    children = life.world.look().children
    pod = PodFacts("minimal-database-0", ready=False, phase="Pending", reason="ImagePullBackOff", message="no such tag")
    server = replace(children.stateful_sets["minimal-database"], ready_replicas=0, pods=(pod,))
    with_children(life, stateful_sets={"minimal-database": server})

    life.run(act=False)

    assert life.verdict("DatabaseReady") == ("False", "NotReady")
    assert "Pod minimal-database-0: ImagePullBackOff no such tag" in life.condition("DatabaseReady").message
    assert life.verdict("Ready") == ("False", "DatabaseNotReady")


def test_servers_that_are_rolled_are_not_ready_until_all_are_of_the_new_template():
    life = Life.ready()
    children = life.world.look().children
    servers = replace(children.deployments["minimal-management"], updated_replicas=1)
    with_children(life, deployments={**children.deployments, "minimal-management": servers})

    life.run(act=False)

    assert life.verdict("ManagementServerReady") == ("False", "Provisioning")
    assert life.region.status.management_server.ready_replicas == 2


def test_servers_wait_for_their_database():
    life = Life.of()
    for _ in range(6):
        life.run()  # nothing starts

    assert life.verdict("DatabaseReady") == ("False", "Provisioning")
    assert life.verdict("ManagementServerReady") == ("False", "WaitingForDatabase")
    assert life.verdict("AgentReady") == ("False", "WaitingForDatabase")


def test_a_job_that_failed_says_what_it_said():
    life = Life.of()
    for _ in range(6):
        life.run()
    life.world.start()
    life.run()  # the Job is made
    children = life.world.look().children
    jobs = {
        name: replace(job, state="Failed", message="user admin: Access denied") for name, job in children.jobs.items()
    }
    assert jobs
    with_children(life, jobs=jobs)

    life.run(act=False)

    assert life.verdict("DatabaseReady") == ("False", "PrepareFailed")
    assert "Access denied" in life.condition("DatabaseReady").message


def test_a_region_that_serves_stays_ready_while_its_database_is_prepared_anew():
    life = Life.ready()
    children = life.world.look().children
    with_children(life, jobs={name: replace(job, state="Running") for name, job in children.jobs.items()})

    life.run(act=False)

    assert life.verdict("DatabaseReady") == ("True", "Ready")
    assert life.verdict("Ready") == ("True", "Ready")
    assert life.verdict("Reconciling") == ("True", "Progressing")


def test_a_volume_that_grows_is_not_there_yet():
    life = Life.ready()
    children = life.world.look().children
    name = "data-minimal-database-0"
    grown = replace(
        children.volume_claims[name], requested="16Gi", capacity="8Gi", expandable=False, storage_class="ssd"
    )
    with_children(life, volume_claims={name: grown})

    life.judge(life.world.look(), steps.RegionPlan(), Outcome())

    assert life.verdict("DatabaseReady") == ("False", "StorageResizing")
    assert "StorageClass ssd does not let volumes grow" in life.condition("DatabaseReady").message
    assert life.region.status.database.storage_size == "8Gi"


def test_a_volume_does_not_shrink():
    life = Life.ready()
    life.edit(database={"managed": {"storage": {"size": "4Gi"}}})

    life.run(act=False)

    assert life.verdict("DatabaseReady") == ("False", "StorageShrinkRefused")
    assert life.verdict("Reconciling") == ("False", "Waiting")
