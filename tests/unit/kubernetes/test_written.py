import copy

import pytest

from region_operator.kubernetes.kinds import CONFIG_MAP, SERVICE
from region_operator.kubernetes.written import Written

pytestmark = pytest.mark.rule("OPERATOR 12")

MANIFEST = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"namespace": "eu", "name": "agent", "labels": {"a": "b"}},
    "spec": {"ports": [{"port": 8443}]},
}


def answered(manifest, **metadata):
    """As an API server answers: with defaults, versions and what others own."""
    live = copy.deepcopy(manifest)
    live["metadata"] |= {"uid": "u1", "resourceVersion": "7", "managedFields": [], **metadata}
    live["spec"] = {"type": "ClusterIP", "ports": [{"port": 8443, "protocol": "TCP"}]}
    return live


@pytest.fixture
def written():
    written = Written()
    written.applied(MANIFEST, answered(MANIFEST))
    return written


def test_the_same_manifest_over_the_same_object_need_not_be_applied_again(written):
    assert written.is_applied(copy.deepcopy(MANIFEST), answered(MANIFEST, resourceVersion="9"))


def test_what_others_own_is_not_looked_at(written):
    live = answered(MANIFEST, annotations={"theirs": "1"})
    live["status"] = {"loadBalancer": {}}
    live["metadata"]["labels"]["theirs"] = "2"
    live["spec"]["externalName"] = "x"
    assert written.is_applied(MANIFEST, live)


@pytest.mark.parametrize("path", ["port", "label", "gone", "more", "uid", "default"])
def test_a_change_of_what_is_ours_is_seen(written, path):
    live = answered(MANIFEST)
    if path == "port":
        live["spec"]["ports"][0]["port"] = 1
    elif path == "label":
        live["metadata"]["labels"]["a"] = "c"
    elif path == "gone":
        del live["spec"]["ports"]
    elif path == "more":
        live["spec"]["ports"].append({"port": 2})
    elif path == "uid":
        live["metadata"]["uid"] = "u2"
    else:
        live["spec"]["ports"] = None
    assert not written.is_applied(MANIFEST, live)


def test_a_changed_manifest_is_applied(written):
    changed = copy.deepcopy(MANIFEST)
    del changed["metadata"]["labels"]
    assert not written.is_applied(changed, answered(MANIFEST))


def test_a_secret_edited_by_hand_is_seen_though_it_was_written_as_text():
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": "eu", "name": "s"},
        "stringData": {"a": "b"},
    }
    live = {"metadata": {"uid": "u", "namespace": "eu", "name": "s"}, "data": {"a": "Yg=="}}
    written = Written()
    written.applied(manifest, live)
    assert written.is_applied(manifest, live)
    assert not written.is_applied(manifest, {**live, "data": {"a": "Yw=="}})


def test_only_the_last_version_we_wrote_is_our_own(written):
    written.wrote({"metadata": {"uid": "u1", "resourceVersion": "8"}})
    assert not written.is_last("u1", "7")
    assert written.is_last("u1", "8")
    assert not written.is_last("u2", "8")
    assert not written.is_last("u2", "")


def test_a_deleted_object_is_forgotten(written):
    written.forget(CONFIG_MAP, "eu", "agent")
    assert written.is_applied(MANIFEST, answered(MANIFEST))  # another kind of the same name
    written.forget(SERVICE, "eu", "agent")
    assert not written.is_applied(MANIFEST, answered(MANIFEST))
