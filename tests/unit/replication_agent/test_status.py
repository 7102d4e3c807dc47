"""When a status is another one."""

from region_operator.api.agent import LinkStatus
from region_operator.replication.agent.status import Facts, agent_status

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
