"""What a Region's agent says, with its age; the evidence that status is written from."""

from dataclasses import dataclass

from region_operator.api.agent import AgentStatus, Rules
from region_operator.controller.facts.knowledge import Fact, Invalid


@dataclass(frozen=True)
class AgentFacts:
    """What a Region's agent last said, and how long ago."""

    endpoint: str  # https://host:port we speak to; "" = not known yet
    status: Fact[AgentStatus | None]  # None = never asked, e.g. no endpoint yet
    age_s: float = 0.0  # since the last answer arrived
    last: AgentStatus | None = None  # the last answer, also while the agent does not answer
    refusal: Invalid | None = None  # the last document was refused (409, 412, 422)
    document_etag: str = ""  # etag of the document that we last pushed with success; "" = none by this process
    rules_in_force: Rules | None = None  # of that document; kept when the policy is gone (rule 7)
