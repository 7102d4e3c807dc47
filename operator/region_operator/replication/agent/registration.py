"""What the local management server must be told about other regions, and the proof that it knows. Pure.

OPERATOR.md 11: the agent orders addRegion, updateRegion and removeRegion on behalf of the configuration document, and
``Registered`` is what listRegions answered afterwards, never what we believe to have done.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from region_operator.api.agent import Link, RegionIdentity
from region_operator.replication.agent.management_api import KnownRegion


@dataclass(frozen=True)
class Wanted:
    """Regions that must be listed, and ids that must not be."""

    present: Mapping[int, KnownRegion]
    absent: frozenset[int]


@dataclass(frozen=True)
class Steps:
    add: tuple[KnownRegion, ...] = ()  # new ones, and ones whose name or endpoint differs
    remove: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def wanted(own: RegionIdentity, links: Iterable[Link], *, drained: Iterable[str]) -> Wanted:
    """Say what the management server should list.

    A suspended peer stays listed; one that is only planned is none of its business. That of a leaving link stays as it
    is, nothing about it is corrected any more, and it goes once the leave has drained (``drained`` names those peering
    uids), unless another link has it too.
    """
    links = [link for link in links if link.state != "Plan" and link.wired]
    gone = frozenset(drained)
    present = {own.id: KnownRegion(id=own.id, name=own.name, endpoint=own.management_endpoint)}
    present |= {
        link.peer.id: KnownRegion(id=link.peer.id, name=link.peer.name, endpoint=link.peer.management_endpoint)
        for link in links
        if link.state != "Leaving" and link.peering_uid not in gone
    }
    absent = {link.peer.id for link in links if link.peering_uid in gone}
    still_leaving = {link.peer.id for link in links if link.peering_uid not in gone}
    return Wanted(present=present, absent=frozenset(absent - still_leaving - set(present)))


def steps(wanted: Wanted, listed: Sequence[KnownRegion]) -> Steps:
    """Compare; regions that nobody told us about are left alone."""
    known = {region.id: region for region in listed}
    add = [region for region_id, region in sorted(wanted.present.items()) if known.get(region_id) != region]
    return Steps(add=tuple(add), remove=tuple(sorted(wanted.absent & set(known))))


def is_registered(region_id: int, wanted: Wanted, listed: Sequence[KnownRegion]) -> bool:
    """Whether the list proves that ``region_id`` is known as it should be."""
    return wanted.present.get(region_id) in listed
