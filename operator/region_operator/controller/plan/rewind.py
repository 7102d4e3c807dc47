"""Was this hub restored from a backup? An agent that has had a later generation of an object proves it (rule 8); pure.

What such a hub says is old: it would undo edits, bring back peerings that were left and unwire new ones. So nothing is
changed for that object until it has caught up (its present manifest is applied), or a person accepts the older one.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from region_operator import naming
from region_operator.api.agent import AgentStatus, Source
from region_operator.controller.facts import PeerFacts, PeeringFacts, PolicyFacts

HUB_REWOUND: Final = "HubRewound"


def accepted(annotations: Mapping[str, str]) -> int:
    """The generation that a person accepts to go back from; 0 when the annotation is not there or no number."""
    given = annotations.get(naming.ANNOTATION_ACCEPT_REWIND, "")
    return int(given) if re.fullmatch(r"[0-9]{1,18}", given) else 0


def rewound(source: Source, *agents: AgentStatus | None) -> str:
    """What to tell when an agent has had a later generation of ``source`` that nobody accepts to lose, else ""."""
    known = latest(source.uid, agents)
    if known <= max(source.generation, source.accept_rewind):
        return ""
    return (
        f"{source.kind} {source.namespace}/{source.name} is at generation {source.generation}, and an agent has had "
        f"generation {known}: this hub was restored from a backup. Nothing is changed until generation {known} is "
        f"reached again: apply the present manifest; or annotate the {source.kind} with "
        f"{naming.ANNOTATION_ACCEPT_REWIND}: '{known}' to go on with what is here"
    )


def latest(uid: str, agents: Iterable[AgentStatus | None]) -> int:
    """The latest generation of an object that one of the agents has had; 0 = none knows it."""
    told = (source for agent in agents if agent is not None for source in agent.sources)
    return max((source.generation for source in told if source.uid == uid), default=0)


def peering_rewound(peering: PeeringFacts) -> str:
    """The same for a peering and both its agents."""
    agents = [side.agent.last for side in peering.sides if isinstance(side, PeerFacts)]
    return rewound(peering_source(peering), *agents)


def peering_source(peering: PeeringFacts) -> Source:
    return _source("RegionPeering", peering)


def policy_source(policy: PolicyFacts) -> Source:
    return _source("SyncPolicy", policy)


def _source(kind: Literal["RegionPeering", "SyncPolicy"], of: PeeringFacts | PolicyFacts) -> Source:
    return Source(
        kind=kind,
        namespace=of.namespace,
        name=of.name,
        uid=of.uid,
        generation=of.generation,
        accept_rewind=of.accept_rewind,
    )


def as_needed(source: Source, agent: AgentStatus) -> Source:
    """The source as ``agent`` is told it: a permission that it does not need is not left lying about."""
    needed = source.generation < latest(source.uid, (agent,))
    return source if needed else source.model_copy(update={"accept_rewind": 0})
