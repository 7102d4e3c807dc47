"""``make soak``: new histories until one fails, or the minutes are over. ``make soak SEED=4711`` repeats one."""

import argparse
import secrets
import sys
import time

from simulation import histories
from simulation.plans import drawn

REPORT_S = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one history")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return _one(arguments.seed)
    return _many(first=secrets.randbits(48), until_s=time.monotonic() + arguments.minutes * 60)


def _one(seed: int) -> int:
    fault = histories.fault_of(drawn(seed))
    print(histories.report(seed, fault) if fault is not None else f"seed {seed}: the contract is kept")
    return int(fault is not None)


def _many(*, first: int, until_s: float) -> int:
    began_s = told_s = time.monotonic()
    done = 0
    try:
        while time.monotonic() < until_s:
            fault = histories.fault_of(drawn(first + done))
            if fault is not None:
                print(histories.report(first + done, fault))
                return 1
            done += 1
            if time.monotonic() - told_s > REPORT_S:
                told_s = time.monotonic()
                print(f"{done} histories in {told_s - began_s:.0f} s, the contract is kept", flush=True)
    except KeyboardInterrupt:
        pass
    print(f"{done} histories, seeds {first} to {first + done - 1}: the contract is kept")
    return 0


sys.exit(main())
