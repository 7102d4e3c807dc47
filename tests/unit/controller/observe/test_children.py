"""What a look at a Region's children asks the API server for."""

import pytest

from region_operator import naming
from region_operator.api.region import Region
from region_operator.controller.facts import NamespaceFacts, PlacementFacts
from region_operator.controller.observe.region import Place, children
from region_operator.kubernetes import kinds
from unit.controller.status.peerings import NOW

LABELS = {naming.LABEL_REGION_NAMESPACE: "clouds", naming.LABEL_REGION_NAME: "a"}
EXTERNAL = {
    "id": 1,
    "database": {"external": {"host": "db", "credentialsSecretRef": {"name": "db"}, "tls": {"mode": "Disabled"}}},
    "managementServer": {"external": {"url": "https://cloud/client/api", "credentialsSecretRef": {"name": "api"}}},
    "agent": {"external": {"url": "https://agent:8443", "tlsSecretRef": {"name": "client"}}},
}
MANAGED = {"id": 1, "database": {"managed": {"storage": {"size": "1Gi"}}}}


class Cluster:
    """Holds objects; remembers what it was asked."""

    def __init__(self, *objects: tuple[kinds.Kind, str]) -> None:
        self.objects = {
            (kind.kind, name): {"kind": kind.kind, "metadata": {"name": name, "uid": name, "labels": LABELS}}
            for kind, name in objects
        }
        self.listed: list[str] = []
        self.got: list[tuple[str, str]] = []

    async def get(self, kind, _, name):
        self.got.append((kind.kind, name))
        return self.objects.get((kind.kind, name))

    async def list(self, kind, _, *, labels):
        assert labels == LABELS
        self.listed.append(kind.kind)
        return [body for (found, _), body in self.objects.items() if found == kind.kind]


def look(cluster: Cluster, spec: dict, **more):
    meta = {"name": "a", "namespace": "clouds", **more.pop("meta", {})}
    region = Region.parse({"kind": "Region", "metadata": meta, "spec": spec})
    place = Place(cluster, "clouds", PlacementFacts(cluster="hub", namespace=NamespaceFacts("clouds")))
    return children(place, region, key=b"key", now=NOW, **more)


async def test_where_nobody_watches_everything_with_the_regions_labels_is_listed():
    cluster = Cluster((kinds.SERVICE, "left-over"), (kinds.JOB, "a-prepare-1"))
    found = await look(cluster, MANAGED)
    assert {"StatefulSet", "Deployment", "Job", "Service", "PersistentVolumeClaim", "Pod"} <= set(cluster.listed)
    assert set(found.services) == {"left-over"}
    assert set(found.jobs) == {"a-prepare-1"}


async def test_what_a_watch_knows_is_read_by_name_and_nothing_is_listed():
    cluster = Cluster((kinds.SERVICE, "left-over"))
    told = {"Service": frozenset({"left-over", "gone-by-now"})}
    found = await look(cluster, EXTERNAL, names=lambda kind: told.get(kind.kind, frozenset()))
    assert cluster.listed == []
    assert set(found.services) == {"left-over"}
    assert ("Service", "gone-by-now") in cluster.got


async def test_pods_are_asked_for_where_something_runs():
    cluster = Cluster((kinds.DEPLOYMENT, "a-agent"))
    await look(cluster, MANAGED, names=lambda _: frozenset())
    assert cluster.listed == ["Pod"]


@pytest.mark.parametrize(
    ("spec", "unread"),
    [(EXTERNAL, {"a-admin", "a-database-tls", "a-management-tls"}), (MANAGED, {"a-management-tls"})],
)
async def test_secrets_that_the_spec_has_no_use_for_are_looked_for_only_at_the_end(spec, unread):
    def secrets(cluster: Cluster) -> set[str]:
        return {name for kind, name in cluster.got if kind == "Secret"}

    now, end = Cluster(), Cluster()
    await look(now, spec)
    await look(end, spec, meta={"deletionTimestamp": "2026-11-22T00:00:00Z"})
    assert secrets(end) - secrets(now) == unread
    assert secrets(now) < secrets(end)
