"""One owner, one mailbox: work on a resource is serial because it has one process; knows nothing of regions."""

from region_operator.supervision.backoff import Backoff
from region_operator.supervision.breaker import Breaker
from region_operator.supervision.mailboxes import Mailboxes
from region_operator.supervision.results import After, Done, Failed, Result
from region_operator.supervision.supervisor import Process, Supervisor
from region_operator.supervision.transitions import State, Transition
from region_operator.supervision.units import Key, Lane, Pace, Unit
from region_operator.supervision.workers import Pass, Workers

__all__ = [
    "After",
    "Backoff",
    "Breaker",
    "Done",
    "Failed",
    "Key",
    "Lane",
    "Mailboxes",
    "Pace",
    "Pass",
    "Process",
    "Result",
    "State",
    "Supervisor",
    "Transition",
    "Unit",
    "Workers",
]
