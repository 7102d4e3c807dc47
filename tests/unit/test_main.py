"""The entry point: what every program can rely on before it runs."""

import os
import signal
import sys
from types import SimpleNamespace

import pytest

from region_operator import __main__ as entry


def test_a_program_that_is_asked_to_end_before_it_listens_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    still_importing = SimpleNamespace(main=lambda _: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setitem(sys.modules, "still_importing", still_importing)
    monkeypatch.setitem(entry.PROGRAMS, "manager", "still_importing")
    try:
        with pytest.raises(SystemExit, match="143"):
            entry.main(["manager"])
    finally:
        signal.signal(signal.SIGTERM, before)
