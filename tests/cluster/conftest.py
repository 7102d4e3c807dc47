"""Real clusters for tests: one, a second linked to it, images, the operator from its chart, cuts, diagnostics."""

import contextlib
import json
import os
import time
import uuid
from pathlib import Path

import pytest

from devcluster import network, sources, toolchain
from devcluster.toolchain import Unavailable, run

CHART = Path(__file__).parents[2] / "charts/region-operator"
OPERATOR_NAMESPACE = "region-operator"
PARTS_LABEL = "app.kubernetes.io/part-of=region-operator"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that need no operator come before it is installed: it would work on the objects they make."""
    here = str(Path(__file__).parent)
    ours = [item for item in items if str(item.path).startswith(here)]
    ranked = iter(sorted(ours, key=lambda item: "operator" in item.fixturenames))
    items[:] = [next(ranked) if item in ours else item for item in items]


@pytest.fixture(scope="session")
def cluster():
    """A cluster; one given by KUBECONFIG is left as it was, any other ends with this session."""
    if given := sources.given():
        before = _definitions(given)
        yield given
        if ours := _definitions(given) - before:
            given.kubectl("delete", *sorted(ours), "--timeout=240s")
        return
    cluster = sources.start(f"test-{os.getpid()}", owner=os.getpid())
    yield cluster
    cluster.down()


def _definitions(cluster):
    """Our kinds, which stay when the chart is uninstalled."""
    return {
        name for name in cluster.kubectl("get", "crd", "-o", "name").split() if name.endswith(".region-operator.io")
    }


@pytest.fixture(scope="session")
def second_cluster(cluster):
    """Another cluster, linked to the first by a virtual WAN."""
    if sources.given():
        pytest.skip("one cluster was given by KUBECONFIG, and this test needs two")
    second = sources.start(f"test-{os.getpid()}-second", owner=os.getpid())
    cluster.link(second)
    yield second
    second.down()


@pytest.fixture(scope="session")
def images(cluster):
    """References of the operator's and MariaDB's image, usable by Pods of the first cluster."""
    images = cluster.build()
    cluster.load(*images)
    return images


@pytest.fixture(scope="session")
def second_images(second_cluster, images):
    """The same, usable by Pods of the second cluster as well."""
    second_cluster.load(*images)
    return images


@pytest.fixture(scope="session")
def kubectl(cluster):
    """kubectl on the first cluster; returns what it prints and raises with its own words."""
    return cluster.kubectl


@pytest.fixture(scope="session")
def helm(cluster):
    return _helm(cluster)


def _helm(cluster):
    def helm(*arguments, stdin=""):
        return run(toolchain.helm(), "--kubeconfig", cluster.kubeconfig, *arguments, input=stdin)

    return helm


@pytest.fixture
def namespace(cluster):
    """A namespace of this test."""
    yield from _namespace(cluster)


@pytest.fixture
def second_namespace(second_cluster):
    """A namespace of this test in the second cluster."""
    yield from _namespace(second_cluster)


def _namespace(cluster):
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def wait_for():
    """``wait_for(condition, deadline_s)``: the first true value of ``condition()``, or a failure with the last one."""

    def wait_for(condition, deadline_s=60.0):
        end = time.monotonic() + deadline_s
        while True:
            try:
                last = condition()
            except Unavailable as problem:
                last, said = None, str(problem)
            else:
                said = repr(last)
            if last:
                return last
            if time.monotonic() > end:
                pytest.fail(f"not so within {deadline_s:g} s; last: {said}")
            time.sleep(0.2)

    return wait_for


class Links:
    """Cuts and heals links between Pods; endpoints as in :func:`devcluster.network.cut`."""

    def __init__(self, cluster):
        self._cluster = cluster

    def cut(self, first, second, *, direction="both"):
        try:
            network.cut(self._cluster, first, second, direction=direction)
        except Unavailable as problem:
            if isinstance(self._cluster, sources.GivenCluster):
                pytest.skip(str(problem))
            raise

    def heal(self, first="", second=""):
        network.heal(self._cluster, first, second)


@pytest.fixture
def links(cluster):
    links = Links(cluster)
    yield links
    if not isinstance(cluster, sources.GivenCluster):
        links.heal()


class Operator:
    """The operator as users have it: installed from the chart, with the chart's rights, in the built image."""

    namespace = OPERATOR_NAMESPACE

    def __init__(self, helm, images):
        self._helm = helm
        self._images = images
        self._fleets = set()

    def install(self):
        repository, _, tag = self._images.operator.rpartition(":")
        values = {
            "image": {"repository": repository, "tag": tag},
            "mariadbImage": self._images.mariadb,
            "settings": {"allowLoopbackClusters": True, "pollSeconds": 1},
            "placement": {"namespaces": sorted(self._fleets)},
        }
        release = (
            "upgrade",
            "--install",
            "region-operator",
            CHART,
            "--namespace",
            self.namespace,
            "--create-namespace",
            "--take-ownership",  # of definitions that a test before applied by itself
        )
        if not self._helm("version", "--template", "{{.Version}}").startswith("v3"):  # which has no server-side apply
            release = (*release, "--force-conflicts")
        self._helm(*release, "--values", "-", "--wait", "--timeout", "240s", stdin=json.dumps(values))

    def uninstall(self):
        self._helm("uninstall", "region-operator", "--namespace", self.namespace, "--wait")

    def allow(self, namespace):
        """Give the operator its rights in one more namespace; it goes on running."""
        self._fleets.add(namespace)
        self.install()

    def forget(self, namespace):
        self._fleets.discard(namespace)


@pytest.fixture(scope="session")
def operator(cluster, helm, images):
    operator = Operator(helm, images)
    operator.install()
    yield operator
    operator.uninstall()
    cluster.kubectl("delete", "namespace", OPERATOR_NAMESPACE, "--wait=false")


@pytest.fixture
def hub(cluster, second_cluster, second_images):
    """A third cluster, linked to both, which holds no region; and the operator in it, not installed yet."""
    hub = sources.start(f"test-{os.getpid()}-hub", owner=os.getpid())
    for one in (cluster, second_cluster):
        hub.link(one)
    hub.load(*second_images)
    yield hub, Operator(_helm(hub), second_images)
    with contextlib.suppress(Unavailable):  # the test may have done so
        hub.down()


@pytest.fixture
def fleet(operator, namespace):
    """A namespace of this test in which the operator may work."""
    operator.allow(namespace)
    yield namespace
    operator.forget(namespace)


@pytest.fixture(scope="module")
def module_fleet(cluster, operator):
    """A namespace, shared by the tests of a module, in which the operator may work."""
    for namespace in _namespace(cluster):
        operator.allow(namespace)
        yield namespace
        kinds = ("regionpeerings,regions", "--all", "-n", namespace)
        cluster.kubectl("delete", *kinds, "--timeout=240s")  # while there is an operator to take them down
        operator.forget(namespace)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """When a test fails: what the clusters held and what our Pods said."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and call.when != "teardown":
        for name in ("cluster", "second_cluster"):
            if name in item.funcargs:
                report.sections.append((f"state of {name}", _diagnose(item.funcargs[name], item.funcargs)))


def _diagnose(cluster, funcargs):
    names = {funcargs.get(name) for name in ("namespace", "second_namespace", "module_fleet")} - {None}
    commands = [
        ("get", "regions,regionpeerings,syncpolicies", "-A", "-o", "yaml"),
        ("get", "pods", "-A", "-o", "wide"),
        *(("get", "all,pvc,jobs,configmaps,secrets", "-n", name) for name in sorted(names)),
        *(("get", "events", "-n", name, "--sort-by=.lastTimestamp") for name in sorted({*names, OPERATOR_NAMESPACE})),
        *(_logs(name) for name in sorted({*names, OPERATOR_NAMESPACE})),
    ]
    said = []
    for command in commands:
        with contextlib.suppress(Unavailable):  # no such kind or namespace: nothing to show
            said.append(f"$ kubectl {' '.join(command)}\n{cluster.kubectl(*command)}")
    return "\n".join(said)


def _logs(namespace):
    return ("logs", "-n", namespace, "-l", PARTS_LABEL, "--all-containers", "--prefix", "--tail=60", "--ignore-errors")
