"""Ports for servers that tests stop and start again: ones that no outgoing connection takes in between.

A port that the kernel gives (bind to 0) comes from the range that it takes the near end of connections from, of any
program on the machine; while the server of a test is down, or not yet up, it may be gone.
"""

import random
import socket

FIRST, LAST = 15_000, 29_999  # below the range of Linux (32768 and up) and of Kubernetes' node ports


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    for _ in range(1000):
        port = random.randint(FIRST, LAST)  # at random, so that two test runs beside each other rarely try the same
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port in {FIRST}-{LAST}")
