"""What all tests share: how properties are judged, and which tests run beside others.

Properties are judged by their answer, not by how busy the machine is.
"""

import pytest
from hypothesis import HealthCheck, settings

CLUSTERS = "tests/cluster"

settings.register_profile("region-operator", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("region-operator")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of several processes one takes all tests in clusters, which share these and mostly wait; the other the rest.

    Those in clusters begin first: they take longest. The others go by modules, as they were collected.
    """
    if not hasattr(config, "workerinput"):
        return
    clusters = config.rootpath / CLUSTERS
    items.sort(key=lambda item: clusters not in item.path.parents)
    for item in items:
        group = CLUSTERS if clusters in item.path.parents else str(item.path.relative_to(config.rootpath))
        item.add_marker(pytest.mark.xdist_group(group))
