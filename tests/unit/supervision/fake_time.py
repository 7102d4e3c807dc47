"""Time that passes only when a test says so."""

import asyncio
from dataclasses import dataclass, field


@dataclass
class FakeTime:
    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds

    async def sleep(self, seconds: float) -> None:
        """Sleeping moves the clock, and lets others run."""
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
