"""The fields of a Region's status beside its conditions."""

from region_operator.api.agent import CertificateStatus, Claim, ManagementStatus
from unit.controller.plan.world import HUB
from unit.controller.status.regions import Life, link, peering


def test_links_are_counted_and_those_that_nobody_declares_are_named():
    life = Life.ready()
    life.world.changes |= {"peerings": (peering("a"), peering("b"), peering("c", mode="Plan"), peering("d"))}
    short, long = link("b", state="Broken", bad_age_ms=20_000), link("d", state="Broken", bad_age_ms=31_000)
    life.agent(links=[link("a"), short, link("c", state="Suspended"), link("stray"), long])

    life.run(act=False)

    peers = life.region.status.peers
    assert (peers.summary, peers.configured, peers.connected, peers.unmanaged) == ("2/3", 3, 2, ("stray",))


def test_what_an_agent_says_too_long_does_not_break_the_status():
    life = Life.ready()
    life.agent(
        version="v" * 9999,
        api_versions=["v1", *("x" * 999 for _ in range(99))],
        schema_version=2**40,
        incarnation="i" * 999,
        database_version="d" * 999,
        management=ManagementStatus(reachable=True, own_region_listed=True, version="m" * 999),
        certificate=CertificateStatus(ca_fingerprints=["f" * 999] * 99),
        links=[link(f"{number}-" + "u" * 300) for number in range(99)],
        history_intact="Continuous",
        claim=Claim(hub=HUB, region="clouds/minimal", epoch=1),
    )

    life.run(act=False)

    assert len(life.region.status.agent.version) == 256
    assert len(life.region.status.peers.unmanaged) == 64


def test_the_token_of_a_reconcile_that_was_asked_for_is_echoed():
    life = Life.of(annotations={"region-operator.io/reconcile-requested-at": "t" * 999})
    life.run()
    assert life.region.status.last_handled_reconcile_at == "t" * 256


def test_the_fields_say_where_everything_is():
    life = Life.ready()
    status = life.region.status

    assert status.claim.wire() == {"hub": HUB, "epoch": 1}
    assert status.database.endpoint == "minimal-database:3306"
    assert status.database.image == "mariadb:10.11"
    assert status.database.secret_name == "minimal-database"
    assert status.management_server.endpoint == "http://minimal-management.clouds.svc:8080/client/"
    assert (status.management_server.replicas, status.management_server.ready_replicas) == (2, 2)
    assert status.agent.endpoint == "https://minimal-agent.clouds.svc:8443"
    assert status.agent.configuration.state == "Applied"
    kept = {(item.kind, item.name) for item in status.retained}
    assert ("PersistentVolumeClaim", "data-minimal-database-0") in kept
    assert ("Secret", "minimal-database") in kept
    assert not [name for _, name in kept if name.endswith("-tls")]


def test_what_is_deleted_with_the_region_is_not_called_retained():
    life = Life.ready()
    life.edit(deletionPolicy="Delete")
    life.settle()
    assert life.region.status.retained == ()


def test_no_password_is_in_any_status():
    life = Life.of("external-database")
    life.settle()
    secret = life.world.data("placement", "external-database-database")
    for name, value in secret.items():
        if name.endswith("password"):
            assert value.decode() not in str(life.region.status.wire())
