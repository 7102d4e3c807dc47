"""Waiting for the region's database. An agent often starts before it: that is no failure, and is told once.

Only what does not pass by itself is an error: credentials or a certificate that are refused, schemas of another region.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

from region_operator.errors import RegionOperatorError
from region_operator.replication.store.region_store import RegionStore
from region_operator.supervision import Backoff

log = logging.getLogger(__name__)

BACKOFF: Final = Backoff(base_s=0.5, cap_s=2.0)  # a look at a database that is away costs next to nothing
_PASSES: Final = frozenset({"ConnectionRefused", "DatabaseInUse"})


async def wait_until_open(
    open_store: Callable[[], RegionStore],
    *,
    say: Callable[[str], None],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> RegionStore:
    """Return the store of a database that is there and ours; ``say`` is told why it is not, each time."""
    waited_for = ""
    for failures in count(1):
        try:
            store = await asyncio.to_thread(open_store)
        except RegionOperatorError as error:
            say(str(error))
            reason = getattr(error, "reason", type(error).__name__)
            if reason != waited_for:
                waited_for, level = reason, logging.WARNING if reason in _PASSES else logging.ERROR
                log.log(level, "waiting for the database: %s", error, extra={"reason": reason})
            await sleep(BACKOFF.rest_s(failures, random.random))
        else:
            if waited_for:
                log.info("the database is there")
            return store
    raise AssertionError("unreachable")
