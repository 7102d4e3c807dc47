"""Wakes everybody who waits for a change, at once, and lets nobody miss a ring between looking and waiting."""

import asyncio


class Bell:
    """Take ``count`` before looking at the world, then wait ``beyond`` it."""

    def __init__(self) -> None:
        self.count = 0
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Wake all waiters; call it from the event loop."""
        self.count += 1
        rung, self._next = self._next, asyncio.Event()
        rung.set()

    async def beyond(self, count: int, *, timeout_s: float) -> bool:
        """Wait until there was a ring after ``count``; False when ``timeout_s`` passed without one."""
        if self.count != count:
            return True
        try:
            async with asyncio.timeout(timeout_s):  # wait_for of Python 3.11 forgets a cancellation that meets a ring
                await self._next.wait()
        except TimeoutError:
            return False
        return True
