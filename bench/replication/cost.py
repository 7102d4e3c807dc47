"""What something cost: time by the clock, and processor time of all that took part, which others falsify less."""

import os
import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    seconds: float
    cpu_s: float


@dataclass(frozen=True)
class Meter:
    """Runs from its making; ``processes`` are those that work, beside children of ours that have ended by then."""

    processes: tuple[int, ...]
    began: float = field(default_factory=time.perf_counter)
    cpu_before_s: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cpu_before_s", cpu_s(self.processes))

    def read(self) -> Cost:
        return Cost(time.perf_counter() - self.began, cpu_s(self.processes) - self.cpu_before_s)


def cpu_s(processes: Iterable[int]) -> float:
    """Seconds of processor time that processes and ended children have used."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + sum(map(_cpu_s, processes))


def _cpu_s(process: int) -> float:
    # The program's name, in brackets, may hold anything.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
