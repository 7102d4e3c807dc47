"""Prints the story: numbered chapters, facts with the time since the start; long steps announce themselves."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Patience(Exception):
    """Something did not happen in the time it may take; the message says what was seen last."""


class Narrator:
    def __init__(self) -> None:
        self._started = time.monotonic()
        self._bold, self._dim, self._plain = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")
        self._chapter = 0

    def elapsed_s(self) -> float:
        return time.monotonic() - self._started

    def chapter(self, title: str) -> None:
        self._chapter += 1
        print(f"\n{self._bold}{self._chapter}. {title}{self._plain}", flush=True)

    def fact(self, text: str) -> None:
        print(f"   {self._dim}{self.elapsed_s():6.1f} s{self._plain}  {text}", flush=True)

    def show(self, output: str) -> None:
        """Print what a command printed, indented."""
        for line in output.rstrip().splitlines():
            print(f"      {self._dim}{line}{self._plain}" if line.startswith("$") else f"      {line}", flush=True)

    def until(
        self, what: str, look: Callable[[], T | None], *, timeout_s: float, every_s: float = 0.1
    ) -> tuple[T, float]:
        """Look until there is something to see; returns it, and how long that took.

        Raises:
            Patience: it did not happen in time.
        """
        began = time.monotonic()
        while True:
            seen = look()
            if seen is not None and seen is not False:
                return seen, time.monotonic() - began
            if time.monotonic() - began > timeout_s:
                raise Patience(f"{what} did not happen within {timeout_s:.0f} s")
            time.sleep(every_s)
