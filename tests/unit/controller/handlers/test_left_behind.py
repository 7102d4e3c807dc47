"""Children without their Region are told, never deleted (OPERATOR 13)."""

from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, Gauge

from region_operator import naming
from region_operator.controller.fleet import Entry, Fleet
from region_operator.controller.handlers.left_behind import TELL_EVERY_S, LeftBehind
from region_operator.kubernetes.kinds import DEPLOYMENT, SERVICE
from region_operator.kubernetes.watch import Change
from region_operator.supervision.units import Key

METRIC = "region_operator_children_without_region"


def child(region, kind=DEPLOYMENT, *, cluster="local", namespace="clouds"):
    labels = {naming.LABEL_REGION_NAMESPACE: namespace, naming.LABEL_REGION_NAME: region}
    return Change(cluster, kind, "placed", f"{region}-agent", labels)


def entry(name):
    return Entry(Key("Region", "clouds", name), uid=f"uid of {name}", generation=1, deleting=False)


@dataclass
class Bench:
    """What is watched, a fleet with Region clouds/here, and a clock."""

    watched: list[Change] = field(default_factory=list)
    fleet: Fleet = field(default_factory=Fleet)
    namespaces: tuple[str, ...] = ()
    now: float = 0.0
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self):
        self.fleet.seen(entry("here"), "1")
        self.looks = LeftBehind(
            self,
            self.fleet,
            namespaces=self.namespaces,
            gauge=Gauge(METRIC, "left", ["cluster"], registry=self.registry),
            clock=lambda: self.now,
        )

    def children(self):
        return self.watched

    def counted(self, cluster):
        return self.registry.get_sample_value(METRIC, {"cluster": cluster})


@pytest.mark.rule("OPERATOR 13")
def test_children_of_an_absent_region_are_named_by_cluster(caplog):
    bench = Bench([child("here"), child("gone"), child("gone", SERVICE), child("lost", cluster="kubeconfig-1")])
    bench.looks.look()
    [there, here] = sorted(caplog.records, key=lambda record: record.cluster)
    assert "Deployment placed/lost-agent of Region clouds/lost" in there.getMessage()
    assert "Deployment placed/gone-agent" in here.getMessage()
    assert "Service placed/gone-agent" in here.getMessage()
    assert "here-agent" not in caplog.text
    assert (bench.counted("local"), bench.counted("kubeconfig-1")) == (2, 1)


@pytest.mark.rule("OPERATOR 13")
def test_they_are_told_once_an_hour_and_at_once_when_they_are_others(caplog):
    bench = Bench([child("gone")])
    for bench.now in (0, 300, 600, TELL_EVERY_S - 1):
        bench.looks.look()
    assert len(caplog.records) == 1
    bench.now = TELL_EVERY_S
    bench.looks.look()
    assert len(caplog.records) == 2
    bench.watched.append(child("lost"))
    bench.looks.look()
    assert len(caplog.records) == 3


def test_nothing_is_counted_once_they_are_gone_or_their_region_is_back(caplog):
    bench = Bench([child("gone")])
    bench.looks.look()
    bench.fleet.seen(entry("gone"), "2")
    bench.looks.look()
    assert bench.counted("local") is None
    assert len(caplog.records) == 1


def test_regions_of_namespaces_that_are_not_watched_are_not_judged(caplog):
    bench = Bench([child("gone", namespace="others")], namespaces=("clouds",))
    bench.looks.look()
    assert not caplog.records
