"""What the conditions of a Region are judged from, and what this pass itself says about one of them.

A verdict has three sources, in this order: what the plan waits for, the step at which execution stopped, and the facts.
"""

from dataclasses import dataclass
from typing import Final

from region_operator.api.agent import AgentStatus
from region_operator.api.conditions import Finding, is_declared
from region_operator.api.reasons import NOT_OBSERVED, Status
from region_operator.api.region import Region
from region_operator.controller.facts import Children, RegionFacts, Unknown
from region_operator.controller.outcome import Failure, Outcome
from region_operator.controller.plan.context import Context, PlanSettings
from region_operator.controller.plan.steps import Apply, CreateFleetSecret, PatchVolumeClaim, RegionPlan, Stage, Wait

EVIDENCE_MAX_AGE_S: Final = 90.0
"""How long the last answer of an agent counts while it does not answer."""

# What is said where a reason of an outside system has no name of its own in the API.
_FALLBACK: Final[dict[tuple[str, Status], str]] = {
    ("Claimed", "False"): "NotYetClaimed",
    ("ReferencesResolved", "False"): "InvalidInput",
    ("PlacementReachable", "False"): "Forbidden",
    ("PlacementReachable", "Unknown"): "Unreachable",
    ("DatabaseReady", "False"): "NotReady",
    ("ManagementServerReady", "False"): "NotReady",
    ("AgentReady", "False"): "NotReady",
    ("AgentReady", "Unknown"): "AgentError",
    ("CertificatesReady", "False"): "NotIssued",
    ("DeletionBlocked", "True"): "ChildrenRemain",
}
_BLAMED: Final[dict[Stage, tuple[str, str]]] = {
    "finalizer": ("Claimed", "NotYetClaimed"),
    "placement": ("PlacementReachable", "Forbidden"),
    "claim": ("Claimed", "NotYetClaimed"),
    "secrets": ("DatabaseReady", "InvalidInput"),
    "certificates": ("CertificatesReady", "NotIssued"),
    "network": ("AgentReady", "InvalidInput"),
    "database": ("DatabaseReady", "InvalidInput"),
    "prepare": ("DatabaseReady", "InvalidInput"),
    "workloads": ("AgentReady", "InvalidInput"),
    "configuration": ("AgentReady", "ConfigurationRefused"),
    "teardown": ("DeletionBlocked", "ChildrenRemain"),
}
_NO_VERDICT: Final = ("Conflict", "NotLeader")  # the next pass, or the next leader, simply does it again


def finding(type_: str, status: Status, reason: str, message: str) -> Finding:
    """A finding whose reason is one that users were told of."""
    made = Finding(type_, status, reason, message)
    if is_declared("Region", made):
        return made
    return Finding(type_, status, _FALLBACK.get((type_, status), NOT_OBSERVED), f"{reason}: {message}")


@dataclass(frozen=True)
class Scene:
    """One pass over one Region: what was asked for, seen, planned and done."""

    region: Region
    facts: RegionFacts
    plan: RegionPlan
    outcome: Outcome

    @property
    def context(self) -> Context:
        """For questions that planning answers too; images and passwords do not matter to them."""
        return Context(self.region, self.facts, PlanSettings(image="", mariadb_image=""), _no_passwords)

    @property
    def children(self) -> Children | None:
        """The children, None when they could not be looked at."""
        return self.facts.children if isinstance(self.facts.children, Children) else None

    @property
    def agent(self) -> AgentStatus | None:
        """What the agent said last, as long as that counts."""
        return None if self.agent_silent else self.facts.agent.last

    @property
    def agent_silent(self) -> bool:
        """Whether the agent has not answered for so long that nothing is known of it."""
        agent = self.facts.agent
        return isinstance(agent.status, Unknown) and (agent.last is None or agent.age_s > EVIDENCE_MAX_AGE_S)

    @property
    def acknowledged(self) -> bool:
        """Whether the agent has a document that was built from this generation of this Region."""
        meta = self.region.metadata
        sources = self.facts.agent.last.sources if self.facts.agent.last else ()
        return any(source.uid == meta.uid and source.generation >= meta.generation for source in sources)

    def told(self, type_: str) -> Finding | None:
        """What this pass says about ``type_``; None leaves it to the facts.

        That an agent does not answer is left to the facts too: they know for how long.
        """
        for wait in self.plan.waits:
            if wait.condition == type_ and not (type_ == "AgentReady" and wait.unknown):
                return waiting(wait)
        failure = self.outcome.failure
        blamed = blame(failure) if failure is not None else None
        return blamed if blamed is not None and blamed.type == type_ else None


def waiting(wait: Wait) -> Finding:
    """What a wait says about its condition; to be forbidden something is an answer, though we learned nothing else."""
    status: Status = "True" if wait.condition == "DeletionBlocked" else "False"
    forbidden = wait.condition == "PlacementReachable" and wait.reason == "Forbidden"
    return finding(wait.condition, "Unknown" if wait.unknown and not forbidden else status, wait.reason, wait.message)


def blame(failure: Failure) -> Finding | None:
    """The condition that a failed step belongs to; None when it says nothing about the region."""
    if failure.reason in _NO_VERDICT:
        return None
    if failure.reason == "NameCollision":
        return finding("Claimed", "False", "NameCollision", failure.message)
    if failure.stage == "teardown":
        reason = "PlacementUnreachable" if failure.unknown else "ChildrenRemain"
        return finding("DeletionBlocked", "True", reason, failure.message)
    if failure.stage == "configuration":
        return None if failure.unknown else _refused(failure)
    if isinstance(failure.step, PatchVolumeClaim) and failure.reason in ("Forbidden", "RefusedByKubernetes"):
        return finding("DatabaseReady", "False", "StorageResizing", failure.message)
    return _of_placement(failure) or _of_stage(failure)


def _refused(failure: Failure) -> Finding:
    if failure.reason in ("ClaimedByAnotherHub", "StaleEpoch"):
        return finding("Claimed", "False", failure.reason, failure.message)
    return finding("AgentReady", "False", "ConfigurationRefused", f"{failure.reason}: {failure.message}")


def _of_placement(failure: Failure) -> Finding | None:
    """The placement itself is the trouble: it does not answer, or does not let us."""
    if getattr(failure.step, "where", "placement") != "placement":
        return None
    known = {
        "Forbidden": "Forbidden",
        "NamespaceTerminating": "NamespaceTerminating",
        "NamespaceMissing": "NamespaceNotFound",
    }
    if failure.reason in known:
        return finding("PlacementReachable", "False", known[failure.reason], failure.message)
    return finding("PlacementReachable", "Unknown", failure.reason, failure.message) if failure.unknown else None


def _of_stage(failure: Failure) -> Finding:
    type_, reason = _BLAMED[failure.stage]
    step = failure.step
    if isinstance(step, CreateFleetSecret):
        type_, reason = "CertificatesReady", "NotIssued"
    elif failure.stage == "secrets" and getattr(step, "where", "") == "hub":
        type_, reason = "ReferencesResolved", "DatabaseKeyMissing"
    elif (
        failure.stage in ("workloads", "network") and isinstance(step, Apply) and step.ref.name.endswith("-management")
    ):
        type_ = "ManagementServerReady"
    return finding(type_, "False", reason, f"{failure.reason}: {failure.message}")


def _no_passwords() -> str:
    raise AssertionError("a status makes no passwords")
