"""A spec that slipped in under an older definition is told to its author and stops nothing."""

import pytest

from region_operator.api.peering import RegionPeering
from region_operator.api.policy import SyncPolicy
from region_operator.api.region import Region
from region_operator.controller.events import EventRecorder
from region_operator.controller.fleet import Fleet
from region_operator.controller.reconcile.publish import StatusWriter
from region_operator.controller.reconcile.reading import read
from region_operator.kubernetes import kinds
from unit.controller.api_server import ApiServer
from unit.controller.status.gitops import kstatus
from unit.controller.status.peerings import NOW

CASES = [
    (Region, kinds.REGION, {"id": 0, "database": {"managed": {"storage": {"size": "1Gi"}}}}, "spec.id"),
    (RegionPeering, kinds.REGION_PEERING, {"regions": [{"name": "a"}, {"name": "a"}]}, "spec"),
    (SyncPolicy, kinds.SYNC_POLICY, {"lag": {"objectiveSeconds": -1}}, "spec.lag.objectiveSeconds"),
]


@pytest.mark.parametrize(("model", "kind", "spec", "field"), CASES)
async def test_a_spec_that_cannot_be_used_is_told_with_its_field_and_keeps_the_rest(model, kind, spec, field):
    api = ApiServer()
    hub = api.cluster()
    writer = StatusWriter(hub, Fleet(), EventRecorder(hub, instance="o"))
    path = kind.path("clouds", "x")
    body = api.put(
        path,
        {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": "x", "namespace": "clouds", "generation": 3},
            "spec": spec,
            "status": {"observedGeneration": 2, "lastHandledReconcileAt": "token"},
        },
    )

    assert await read(model, kind, body, writer=writer, now=NOW) is None

    status = api.objects[path]["status"]
    ready = next(item for item in status["conditions"] if item["type"] == "Ready")
    assert (ready["status"], ready["reason"], ready["observedGeneration"]) == ("False", "InvalidInput", 3)
    assert ready["message"].startswith(field)
    assert status["observedGeneration"] == 3
    assert kstatus(body["metadata"], status) == "InProgress"
    writes = len(api.writes)
    assert await read(model, kind, api.objects[path], writer=writer, now=NOW) is None
    assert len(api.writes) == writes, "told once"


async def test_a_spec_that_can_be_used_is_read():
    body = {"kind": "SyncPolicy", "metadata": {"name": "x", "namespace": "clouds"}, "spec": {}}
    found = await read(SyncPolicy, kinds.SYNC_POLICY, body, writer=None, now=NOW)
    assert found.metadata.name == "x"
