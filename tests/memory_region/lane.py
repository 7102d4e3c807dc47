"""Incarnations, and where links stand."""

from memory_region.context import Context
from memory_region.database import NOWHERE, Database
from region_operator.errors import Refused
from region_operator.replication.feed import CURSOR_MOVED, FeedPage
from region_operator.replication.model import Incarnation


def begin_incarnation(draft: Database, context: Context, *, restored: bool) -> None:
    """Begin a new incarnation at the next number."""
    name = f"{context.mint():016x}"
    draft.history = (*draft.history, Incarnation(name, draft.last_lsn + 1))
    if restored:
        draft.history_intact = "Restored"
    context.server.running = name


def check_cursor(draft: Database, page: FeedPage) -> None:
    """Raise Refused (``CursorMoved``) unless the link stands where its page was asked for."""
    present = draft.cursors.get(page.source, NOWHERE)[0]
    if page.asked is not None and present != page.asked:
        raise Refused(reason=CURSOR_MOVED, message=f"the link stood at {page.asked} and stands at {present} now")


def move_cursor(draft: Database, page: FeedPage) -> None:
    """The page is applied: the link stands at its end."""
    seen = page.seen_after(draft.cursors.get(page.source, NOWHERE)[2])
    draft.cursors[page.source] = (page.next, tuple(page.history), seen)
