"""When a status is another one."""

from dataclasses import replace

from region_operator.api.agent import LinkStatus
from region_operator.replication.agent import health
from region_operator.replication.agent.region import RegionFacts
from region_operator.replication.agent.status import Facts, agent_status
from region_operator.replication.records import EntityFinding, StoreStatus

LINK = LinkStatus(peering_uid="p1", peer_id=2, state="Streaming", reason="Connected", since="2026-01-01T00:00:00Z")


def etag(*links: LinkStatus, **facts: object) -> str:
    return agent_status(Facts(region_id=1, version="1", links=links, **facts)).etag


def test_running_figures_do_not_change_the_etag() -> None:
    figures = {"contact_age_ms": 9, "lag_ms": 4, "pending_changes": 2, "rtt_ms": 1.5, "cursor": "a:9", "good_age_ms": 3}
    assert etag(LINK) == etag(LINK.model_copy(update=figures))


def test_states_and_counts_do() -> None:
    base = etag(LINK)
    assert base != etag(LINK.model_copy(update={"state": "Broken", "reason": "ProbeTimeout"}))
    assert base != etag(LINK, database_reachable=True)
    assert base != etag()


def test_what_is_the_matter_with_an_entity_is_a_metric() -> None:
    finding = EntityFinding("user", "ColumnAdded", "table user has new columns", held_back=False)
    region = RegionFacts(StoreStatus(schema_version=2, region_id=1), drift=(finding,))
    status = agent_status(Facts(region_id=1, version="1", region=region))
    metrics = health.AgentMetrics(lambda: status, counters=dict, not_after=lambda: None)
    (drawn,) = [metric for metric in metrics.collect() if metric.name == "region_operator_agent_schema_finding"]
    (sample,) = drawn.samples
    assert (sample.labels, sample.value) == ({"entity": "user", "reason": "ColumnAdded"}, 1)
    assert status.etag != agent_status(Facts(region_id=1, version="1", region=replace(region, drift=()))).etag
