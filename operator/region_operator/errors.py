"""What can go wrong, named by what the caller should do about it.

    RegionOperatorError
      InvalidInput      somebody wrote something we cannot act on: say so in a condition, wait for an edit
      Refused           a rule forbids it (foreign claim, name collision, ...): say so, change nothing
      Unavailable       an outside system did not answer in time or at all: the answer is Unknown, try again later
      Conflict          somebody else wrote first: read again and plan again

Whatever else is raised is a defect: it is logged with its traceback, counted, and retried with back-off.
"""


class RegionOperatorError(Exception):
    """Base of everything this package raises on purpose."""


class InvalidInput(RegionOperatorError):
    """A value given by a user (spec, Secret, kubeconfig, request) cannot be used.

    Attributes:
        field: where it stands, as the user would name it (``spec.database.external.host``).
        remedy: what to do, one imperative sentence.
        reason: CamelCase constant for a condition.
    """

    def __init__(self, *, field: str, problem: str, remedy: str, reason: str = "InvalidInput") -> None:
        self.field, self.problem, self.remedy, self.reason = field, problem, remedy, reason
        super().__init__(f"{field}: {problem}; {remedy}")


class Refused(RegionOperatorError):
    """A rule of the design forbids the step; nothing was changed.

    Attributes:
        reason: CamelCase constant for a condition (``NameCollision``, ``ClaimedByAnotherHub``, ...).
    """

    def __init__(self, *, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class Unavailable(RegionOperatorError):
    """An outside system (API server, agent, database) gave no usable answer.

    Attributes:
        reason: CamelCase constant: ``ProbeTimeout``, ``ConnectionRefused``, ``TLSFailed``, ``AuthFailed``, ...
    """

    def __init__(self, *, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class Conflict(RegionOperatorError):
    """The object changed between our reading and our writing."""
