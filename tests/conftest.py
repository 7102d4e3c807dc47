"""What all tests share: how properties are judged, and which tests run beside others.

Properties are judged by their answer, not by how busy the machine is.
"""

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

CLUSTERS = "tests/cluster"

settings.register_profile("region-operator", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("region-operator")


class BesideClusters(LoadScopeScheduling):
    """Gives one process all tests in clusters, which share these and mostly wait, and the other the rest by modules."""

    def _split_scope(self, nodeid: str) -> str:
        return CLUSTERS if nodeid.startswith(f"{CLUSTERS}/") else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> BesideClusters:
    config.option.loadscopereorder = False  # as they were collected
    return BesideClusters(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In several processes those in clusters begin first: they take longest."""
    if hasattr(config, "workerinput"):
        clusters = config.rootpath / CLUSTERS
        items.sort(key=lambda item: clusters not in item.path.parents)
