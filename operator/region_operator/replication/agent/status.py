"""What the agent answers to an operator that asks how it is: facts of its parts put together. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from region_operator.api.agent import (
    API_VERSIONS,
    AgentStatus,
    CertificateStatus,
    EntityStatus,
    LinkStatus,
)
from region_operator.replication.agent.configuration import Held
from region_operator.replication.agent.region import RegionFacts
from region_operator.replication.agent.registrar import Proof
from region_operator.replication.records import Counts

_RUNNING_FIGURES = frozenset(
    {"contactAgeMs", "badAgeMs", "goodAgeMs", "lagMs", "pendingChanges", "rttMs", "cursor", "copyProgress", "throttled"}
)
"""Left out of the etag: they differ at every look, and are read at the operator's own pace."""


@dataclass(frozen=True)
class Facts:
    """Everything a status is made of.

    Attributes:
        region: None before the database was reached.
        database_reachable: whether its last call was answered.
    """

    region_id: int
    version: str
    held: Held | None = None
    region: RegionFacts | None = None
    features: frozenset[str] = frozenset()
    database_reachable: bool = False
    database_message: str = ""
    database_key_fingerprint: str = ""
    proof: Proof = field(default_factory=Proof)
    certificate: CertificateStatus = field(default_factory=CertificateStatus)
    links: tuple[LinkStatus, ...] = ()


def agent_status(facts: Facts) -> AgentStatus:
    """Return the status with an etag over all that a human would call a change."""
    held = facts.held or Held()
    store = facts.region.status if facts.region else None
    history = store.history if store else ()
    status = AgentStatus(
        etag="",
        version=facts.version,
        api_versions=list(API_VERSIONS),
        features=sorted(facts.features),
        schema_version=store.schema_version if store else 0,
        region_id=facts.region_id,
        incarnation=history[-1].name if history else "",
        incarnations=len(history),
        history_intact=store.history_intact if store else "Continuous",
        claim=held.claim,
        configuration_etag=held.etag,
        sources=held.source_list(),
        rules_hash=held.document.rules.hash if held.document else "",
        rules=held.document.rules if held.document else None,
        database_reachable=facts.database_reachable,
        database_message=facts.database_message,
        database_version=store.database_version if store else "",
        database_key_fingerprint=facts.database_key_fingerprint,
        management=facts.proof.management,
        certificate=facts.certificate,
        entities=[
            EntityStatus(entity=one.entity, reason=one.reason, message=one.message, held_back=one.held_back)
            for one in (*(store.findings if store else ()), *(facts.region.drift if facts.region else ()))
        ],
        links=list(_links(facts)),
        left_peerings=sorted(held.left),
    )
    return status.model_copy(update={"etag": etag(status.model_dump(mode="json", by_alias=True))})


def etag(status: Mapping[str, Any]) -> str:
    """Return what changes when the status tells something new; takes its wire form."""
    links = [{name: value for name, value in link.items() if name not in _RUNNING_FIGURES} for link in status["links"]]
    text = json.dumps({**status, "links": links, "etag": ""}, sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _links(facts: Facts) -> Iterable[LinkStatus]:
    for link in facts.links:
        counts = (facts.region.counts.get(link.peer_id) if facts.region else None) or Counts()
        registered = facts.proof.registered(link.peer_id)
        yield link.model_copy(
            update={
                "registered": registered,
                "registered_message": "" if registered else facts.proof.message(link.peer_id),
                "open_conflicts": counts.open_conflicts,
                "unique_clashes": counts.unique_clashes,
                "parked": counts.parked,
                "dead_lettered": counts.dead_lettered,
            }
        )
