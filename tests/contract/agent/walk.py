"""A full scan that compares nothing: a walk over steps that counts them, and stops where a test wants it to."""

import asyncio
from dataclasses import dataclass, field

from region_operator.replication.scans.ports import ChunkOutcome, EntityPart
from region_operator.replication.scans.record import Position

STEPS = 6


@dataclass
class Walk:
    """Attributes:
    upto: steps that may be taken; whoever wants more waits.
    taken: the steps that were taken, in order.
    """

    upto: int = STEPS
    taken: list[int] = field(default_factory=list)
    fault: Exception | None = None

    def __call__(self, *_: object) -> "Walk":
        return self

    async def chunk(self, position: Position | None, max_rows: int) -> ChunkOutcome:
        step = position["step"] if position else 0
        while step >= self.upto:
            await asyncio.sleep(0.01)
        if self.fault is not None:
            raise self.fault
        self.taken.append(step)
        return ChunkOutcome(
            next={"step": step + 1} if step + 1 < STEPS else None,
            rows_compared=10,
            parts=(EntityPart("user", (10, 10), (step, step)),),
            percent=100 * (step + 1) // STEPS,
        )
