import pytest

from region_operator.errors import InvalidInput
from region_operator.kubernetes import kinds


def test_paths_are_those_of_the_api():
    assert kinds.SECRET.path("eu", "key") == "/api/v1/namespaces/eu/secrets/key"
    assert kinds.DEPLOYMENT.path() == "/apis/apps/v1/deployments"
    assert kinds.REGION.path("eu", "west", "status") == (
        "/apis/region-operator.io/v1alpha1/namespaces/eu/regions/west/status"
    )
    assert kinds.NAMESPACE.path("ignored", "eu") == "/api/v1/namespaces/eu"


@pytest.mark.parametrize("name", ["", "..", "a/b", "../../secrets"])
def test_a_name_cannot_lead_elsewhere(name):
    with pytest.raises(InvalidInput):
        kinds.SECRET.path("eu", name)
    with pytest.raises(InvalidInput):
        kinds.SECRET.path(name, "key")


def test_a_kind_is_found_by_its_manifest():
    assert kinds.kind_of({"apiVersion": "apps/v1", "kind": "StatefulSet"}) is kinds.STATEFUL_SET
    with pytest.raises(InvalidInput, match="v1/Nothing"):
        kinds.kind_of({"apiVersion": "v1", "kind": "Nothing"})
