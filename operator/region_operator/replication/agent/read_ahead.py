"""The next page of a first copy or of catching up, read while the one before it travels and is applied.

What a peer will ask next is known when its page is read: the same, from where the page ends. The answer is what it
would have got by asking sooner, as if the page had travelled for long, which cursors allow for. Any other question,
because the page was applied otherwise or one of the two has another history by now, is answered anew.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from region_operator.replication.feed import FeedPage, FeedRequest
from region_operator.replication.peer_protocol import MAX_FEED_WAIT_S

KEPT_S: Final = MAX_FEED_WAIT_S  # as long as an answer may be on its way anyhow

Answer = tuple[FeedPage, bytes]


@dataclass(frozen=True)
class _Kept:
    request: FeedRequest
    answer: "asyncio.Future[Answer]"
    expiry: asyncio.TimerHandle


class ReadAhead:
    """At most one page for each peer; ``read`` starts reading one."""

    def __init__(self, read: "Callable[[FeedRequest], asyncio.Future[Answer]]") -> None:
        self._read = read
        self._kept: dict[int, _Kept] = {}

    async def take(self, request: FeedRequest) -> Answer | None:
        """The answer to exactly this question, if it was foreseen."""
        kept = self._kept.pop(request.peer, None)
        if kept is None:
            return None
        kept.expiry.cancel()
        if kept.request != request:
            return None
        with contextlib.suppress(Exception):  # who asks anew is told
            return await kept.answer
        return None

    def follow(self, request: FeedRequest, page: FeedPage) -> None:
        """Start to read what comes after ``page``, where there is another one for sure."""
        is_behind = request.bulk or page.pending >= request.max_rows
        if not is_behind or not page.pending or page.rewound or page.next == request.after:
            return
        seen = page.seen_after(request.seen) if request.seen is not None else None
        following = replace(request, after=page.next, known_history=page.history, seen=seen)
        answer = self._read(following)
        answer.add_done_callback(_retrieved)
        expiry = asyncio.get_running_loop().call_later(KEPT_S, self._kept.pop, request.peer, None)
        self.forget(request.peer)
        self._kept[request.peer] = _Kept(following, answer, expiry)

    def forget(self, *peers: int) -> None:
        """Drop what was read for these peers, for all if none is named."""
        for peer in peers or tuple(self._kept):
            if (kept := self._kept.pop(peer, None)) is not None:
                kept.expiry.cancel()


def _retrieved(answer: "asyncio.Future[Answer]") -> None:
    """An error of a page that nobody asks for is nobody's error."""
    if not answer.cancelled():
        answer.exception()
