"""Where a Region is to live, as its own spec and Secrets say."""

import pytest

from region_operator.controller.observe.region import placement
from region_operator.kubernetes.clusters import Clusters
from unit.controller.api_server import ApiServer
from unit.controller.plan.regions import region

SECRET = "/api/v1/namespaces/clouds/secrets/far"


@pytest.mark.parametrize(
    ("secret", "reason", "remedy"),
    [
        (None, "SecretNotFound", "Secret far does not exist; create it"),
        ({"data": {"config": ""}}, "SecretKeyMissing", "Secret far has no key kubeconfig; add it"),
    ],
)
async def test_a_kubeconfig_that_is_not_there_is_told_by_what_is_to_be_made(secret, reason, remedy):
    api = ApiServer()
    if secret is not None:
        api.put(SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "far"}, **secret})
    place = await placement(Clusters(api.cluster(), may_write=lambda: True), region("other-cluster"), hub_id="hub")
    assert (place.cluster, place.facts.cluster.reason) == (None, reason)
    assert remedy in place.facts.cluster.message
