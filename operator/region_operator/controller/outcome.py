"""What came of executing a plan; with the facts it is all that status is computed from."""

from dataclasses import dataclass

from region_operator.controller.plan.steps import Stage, Step


@dataclass(frozen=True)
class Failure:
    """The step at which execution stopped; the steps after it were not tried.

    Attributes:
        reason: CamelCase constant for a condition (``NameCollision``, ``ProbeTimeout``, ``Forbidden``, ...).
        stalled: only an edit, or another object, can help (a refusal); else it is tried again.
        unknown: an outside system did not answer, so whether the step took effect is not known.
    """

    stage: Stage
    step: Step
    reason: str
    message: str
    stalled: bool = False
    unknown: bool = False


@dataclass(frozen=True)
class Outcome:
    """``changed`` counts the steps that changed something; 0 and no failure in steady state."""

    changed: int = 0
    failure: Failure | None = None
