"""Events, as CloudStack stores them: what happened, in every region's list.

Events are only added. How long a region keeps them is its own affair: purging them there is no change, is not told to
others, and no peer brings back what was purged, for the region remembers the names (`docs/decisions`). No clock decides
that. Archiving (``archived``) concerns one region's list. ``start_id`` names the event that began what this one ends;
it may come later, and 0 stands for none. What the event was about (``resource_id``, newer versions) is a local number.
"""

from typing import Final

from region_operator.replication.catalog.columns import created, reference, text
from region_operator.replication.catalog.entity import Entity

EVENT: Final = Entity(
    name="event",
    table="event",
    fields=(
        text("type", 32, nullable=False),
        text("state", 32, nullable=False),
        text("description", 1024, nullable=False),
        reference("user_id", "user"),
        reference("account_id", "account"),
        reference("domain_id", "domain"),
        text("level", 16, nullable=False),
        reference("start_id", "event", absent=0, deferred=True),
        text("parameters", 1024),
        created(nullable=False),
    ),
    excluded=("archived", "display", "resource_id", "resource_type"),
    known_by=("type", "description", "created", "account_id"),
    append_only=True,
)
