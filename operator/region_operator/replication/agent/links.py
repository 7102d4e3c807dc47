"""The links of this region as supervised processes: one each, so an error in one never touches another."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from region_operator.api.agent import Link as LinkDocument
from region_operator.api.agent import LinkStatus
from region_operator.errors import InvalidInput, Refused, Unavailable
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.dry_run import LocalPlan, report
from region_operator.replication.agent.keeper import ConfigurationKeeper
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.join_plan import Peer as PlanPeer
from region_operator.replication.join_plan import plan_join
from region_operator.replication.link import Link, LinkConfiguration, Peer, as_link_reason
from region_operator.replication.link_facts import LinkFacts
from region_operator.replication.model.lag import START, Cursor
from region_operator.supervision import Backoff, Process, Supervisor

log = logging.getLogger(__name__)

BACKOFF = Backoff(base_s=0.25, cap_s=5.0)  # a healed cable is noticed within seconds, a dead peer costs a connect


class Connection(Peer, PlanPeer, Protocol):
    """A peer with something to close."""

    async def close(self) -> None: ...


@dataclass
class _Leave:
    """What a leaving link has to reach, and since when it tries; kept while its process is started anew."""

    began: float
    leave_at: Cursor | None = None


class Links:
    """Runs what the keeper holds: active links pull, suspended ones rest, leaving ones drain and vanish.

    Of planned ones nothing moves: one side works out what a join would do, the other answers.

    Attributes:
        facts: by peering uid, of every link held.
        drained: links that leave, or whose peer has left, and whose peer the management server may forget now.
    """

    def __init__(
        self,
        *,
        keeper: ConfigurationKeeper,
        connect: Callable[[LinkDocument], Connection],
        is_forgotten: Callable[[str, int], bool],
        changed: Bell,
        order_changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember what to work with.

        ``connect`` opens the way to a link's peer; ``is_forgotten`` tells whether the management server has proved not
        to list a drained link's region any more; ``order_changed`` is called when it must be told something else.
        """
        self._keeper, self._connect = keeper, connect
        self._is_forgotten, self._changed, self._order_changed = is_forgotten, changed, order_changed
        self._clock = clock
        self.facts: dict[str, LinkFacts] = {}
        self.drained: set[str] = set()
        self._running: dict[str, LinkDocument] = {}
        self._leaves: dict[str, _Leave] = {}
        self._applied_by_peer: dict[str, Cursor] = {}

    def acknowledged(self, peering_uid: str, applied: Cursor) -> None:
        """The peer has committed our changes up to ``applied``."""
        self._applied_by_peer[peering_uid] = applied

    def statuses(self) -> tuple[LinkStatus, ...]:
        """Of every link held; of those that leave, with how far they have come."""
        told = ((facts.status(), uid in self.drained) for uid, facts in sorted(self.facts.items()))
        return tuple(status.model_copy(update={"unwiring": drained}) for status, drained in told)

    async def run(self, region: LocalRegion) -> None:
        """Keep the right processes running until cancelled."""
        async with Supervisor(backoff=BACKOFF, clock=self._clock) as supervisor:
            try:
                while True:
                    count = self._keeper.changed.count
                    await self._arrange(supervisor, region)
                    await self._keeper.changed.beyond(count, timeout_s=3600)
            finally:
                self._running.clear()

    async def _arrange(self, supervisor: Supervisor, region: LocalRegion) -> None:
        held = await self._keeper.read()
        for uid in list(self._running):
            if held.links.get(uid) != self._running[uid]:
                await supervisor.stop(uid)
                del self._running[uid]
        for uid in set(self.facts) - set(held.links):
            self._forget(uid)
        for uid, link in held.links.items():
            if uid not in self._running:
                self._start(supervisor, region, link)
        region.use_parking(list(held.links.values()))
        self._order_changed()
        self._changed.ring()

    def _start(self, supervisor: Supervisor, region: LocalRegion, link: LinkDocument) -> None:
        uid = link.peering_uid
        facts = self.facts.get(uid)
        if facts is None or facts.peer_id != link.peer.id:
            facts = LinkFacts(peering_uid=uid, peer_id=link.peer.id, clock=self._clock, now=_utc_now)
            self.facts[uid] = facts
        self._running[uid] = link
        if link.state != "Plan":
            facts.plan = None
        if link.state != "Leaving":
            self.drained.discard(uid)
        if link.state == "Suspended" or (link.state == "Plan" and not _is_to_be_planned(link, facts)):
            facts.rest()
            return
        facts.enter("Connecting", "NotYetConnected")
        works = {"Leaving": self._leave, "Plan": self._plan}
        supervisor.spawn(uid, partial(works.get(link.state, self._active), region, link, facts))

    def _forget(self, uid: str) -> None:
        self.facts.pop(uid, None)
        self._leaves.pop(uid, None)
        self._applied_by_peer.pop(uid, None)
        self.drained.discard(uid)

    async def _active(self, region: LocalRegion, link: LinkDocument, facts: LinkFacts, process: Process) -> None:
        process.ready()
        await region.rejoin(link.peer.id)
        try:
            await self._pull(region, link, facts)
        except Refused as error:
            if error.reason != "PeeringWasLeft" or await self._is_declared(link):
                raise
            # We were away when the two parted, and the one who would tell us to leave has long been satisfied.
            log.info("the peer has left, and nobody declares the peering any more", extra={"peer": link.peer.id})
            await self._unwire(region, link)

    async def _is_declared(self, link: LinkDocument) -> bool:
        """Whether the present document speaks of the link; those that it does not mention stay, as a rule."""
        document = (await self._keeper.read()).document
        return document is None or any(told.peering_uid == link.peering_uid for told in document.links)

    async def _pull(
        self, region: LocalRegion, link: LinkDocument, facts: LinkFacts, *, leave_at: Cursor | None = None
    ) -> None:
        uid = link.peering_uid
        peer = self._connect(link)
        try:
            await Link(
                LinkConfiguration(source=link.peer.id, limits=link.link, leave_at=leave_at),
                peer=peer,
                here=region,
                facts=facts,
                peer_has_applied=lambda: self._applied_by_peer.get(uid, START),
                on_change=self._changed.ring,
            ).run()
        finally:
            await peer.close()

    async def _plan(self, region: LocalRegion, link: LinkDocument, facts: LinkFacts, process: Process) -> None:
        """Work out what a join would do, tell it, and rest."""
        process.ready()
        peer = self._connect(link)
        try:
            plan = await plan_join(LocalPlan(region), peer)
        except (Unavailable, Refused, InvalidInput) as error:
            facts.fault(as_link_reason(error.reason), str(error))
            self._changed.ring()
            raise
        finally:
            await peer.close()
        facts.plan = report(plan, link, now=_utc_now())
        facts.rest()
        self._changed.ring()
        log.info("a join was planned", extra={"peering": link.peering_uid, "peer": link.peer.id})

    async def _leave(self, region: LocalRegion, link: LinkDocument, facts: LinkFacts, process: Process) -> None:
        """Exchange what is left, then undo the link."""
        process.ready()
        uid = link.peering_uid
        if link.wired and uid not in self.drained:
            await self._drain(region, link, facts)
            log.info("leaving: drained", extra={"peering": uid, "peer": link.peer.id})
        await self._unwire(region, link)

    async def _unwire(self, region: LocalRegion, link: LinkDocument) -> None:
        """Let the management server forget the peer, then forget the link, but not where it stood."""
        uid = link.peering_uid
        if link.wired:
            self.drained.add(uid)
            self._changed.ring()
        self._order_changed()
        while link.wired and link.drain_timeout_seconds > 0 and not self._is_forgotten(uid, link.peer.id):
            count = self._changed.count
            await self._changed.beyond(count, timeout_s=1.0)

        async def forget() -> None:
            held = await self._keeper.read()
            if all(other.peer.id != link.peer.id for key, other in held.links.items() if key != uid):
                await region.leave(link.peer.id)

        await self._keeper.left(uid, forget=forget)
        log.info("left", extra={"peering": uid, "peer": link.peer.id})

    async def _drain(self, region: LocalRegion, link: LinkDocument, facts: LinkFacts) -> None:
        leave = self._leaves.setdefault(link.peering_uid, _Leave(began=self._clock()))
        if leave.leave_at is None:
            leave.leave_at = Cursor("", await region.covering_head())
        left_s = leave.began + link.drain_timeout_seconds - self._clock()
        if left_s <= 0:
            log.warning("leaving without the peer's last changes: it did not take part in time")
            return
        try:
            async with asyncio.timeout(left_s):
                await self._pull(region, link, facts, leave_at=leave.leave_at)
        except TimeoutError:
            log.warning("leaving without the peer's last changes: it did not take part in time")


def _is_to_be_planned(link: LinkDocument, facts: LinkFacts) -> bool:
    """Whether this side has something to work out; the other side only answers."""
    return bool(link.plan_token) and (facts.plan is None or facts.plan.token != link.plan_token)


def _utc_now() -> datetime:
    return datetime.now(UTC)
