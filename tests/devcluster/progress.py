"""Says what a long step does and how long it usually takes, so that nobody waits in the dark."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(title: str, *, usually_s: float = 0) -> Iterator[None]:
    """Print ``title`` when the block begins and its duration when it ends; in between a running clock on a terminal."""
    hint = f" (usually {_duration(usually_s)})" if usually_s else ""
    started, finished = time.monotonic(), threading.Event()

    def clock() -> None:
        while not finished.wait(1):
            print(f"\r  {title}{hint} … {_duration(time.monotonic() - started)} ", end="", file=sys.stderr, flush=True)

    live = sys.stderr.isatty()
    ticker = threading.Thread(target=clock, daemon=True)
    if live:
        ticker.start()
    else:
        print(f"  {title}{hint} …", file=sys.stderr, flush=True)
    outcome = "FAILED after"
    try:
        yield
        outcome = "done in"
    finally:
        finished.set()
        if live:
            ticker.join()
        start = "\r\033[K" if live else ""
        print(f"{start}  {title}: {outcome} {_duration(time.monotonic() - started)}", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
