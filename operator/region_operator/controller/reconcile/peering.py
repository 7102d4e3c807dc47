"""One pass over a RegionPeering: keep its finalizer, judge both directions, publish. Regions do the wiring."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from region_operator import naming
from region_operator.api.conditions import condition
from region_operator.api.peering import RegionPeering
from region_operator.api.peering_status import RegionPeeringStatus
from region_operator.controller.events import EventRecorder
from region_operator.controller.facts import PeeringFacts, Unknown
from region_operator.controller.finalizer import set_finalizer
from region_operator.controller.fleet import REGION
from region_operator.controller.observe.peerings import PeeringObserver
from region_operator.controller.observe.scans import Subjects
from region_operator.controller.plan import peering as plan
from region_operator.controller.plan.rewind import peering_rewound
from region_operator.controller.plan.steps import Manifest
from region_operator.controller.reconcile.publish import StatusWriter
from region_operator.controller.reconcile.reading import read
from region_operator.controller.reconcile.scans import FULL_SCANS
from region_operator.controller.status.lag import LagMemory
from region_operator.controller.status.patience import look_again_s
from region_operator.controller.status.peering import peering_status
from region_operator.controller.status.scan_events import scan_events
from region_operator.controller.status.scans import scan_subject
from region_operator.kubernetes import kinds
from region_operator.kubernetes.cluster import Cluster
from region_operator.supervision.results import After, Done, Result
from region_operator.supervision.units import Key

FIRST_PASSES = timedelta(seconds=30)
IN_CONTACT: Final = {"Wired": "True", "Partitioned": "False", "Stalled": "False"}
"""What conditions say when a full scan may begin."""


class PeeringReconciler:
    """Passes over RegionPeerings.

    Args:
        poll_s: how often evidence is judged between news, while something is under way.
        enqueue: asks for a pass over another object.
        subjects: what the schedule of full scans is told.
    """

    def __init__(  # noqa: PLR0913 - one place composes it
        self,
        hub: Cluster,
        observer: PeeringObserver,
        writer: StatusWriter,
        *,
        subjects: Subjects,
        events: EventRecorder,
        now: Callable[[], datetime],
        poll_s: float,
        enqueue: Callable[[Key], None],
    ) -> None:
        self._hub, self._observer, self._writer, self._now = hub, observer, writer, now
        self._poll_s, self._enqueue, self._subjects, self._events = poll_s, enqueue, subjects, events
        self._memories: dict[Key, LagMemory] = {}
        self._unseen_since: dict[Key, datetime] = {}

    async def reconcile(self, key: Key) -> Result:
        """Bring one peering on; raises like the Kubernetes door."""
        body = await self._hub.get(kinds.REGION_PEERING, key.namespace, key.name)
        if body is None:
            self._forget(key)
            return Done()
        peering = await read(RegionPeering, kinds.REGION_PEERING, body, writer=self._writer, now=self._now())
        if peering is None:
            self._subjects.publish(key, None)
            return Done()
        facts = await self._observer.facts(peering)
        if peering_rewound(facts) and await self._has_changed(body):
            return After(0.0)  # an agent was told of an edit after we had read the object
        act = plan.act(facts)
        if act == "RemoveFinalizer":
            return await self._let_go(body, peering, facts)
        if act == "AddFinalizer":
            body = await set_finalizer(self._hub, kinds.REGION_PEERING, peering.metadata, wanted=True)
            peering = RegionPeering.parse(body)
            facts = await self._observer.facts(peering)
        unseen = any(isinstance(side, Unknown) for side in facts.sides)
        if unseen or self._wants_regions(peering):
            for reference in peering.spec.regions:
                self._enqueue(Key(REGION, key.namespace, reference.name))
        if unseen and self._patient(key):
            return After(1.0)
        return await self._publish(key, peering, facts, body)

    async def _let_go(self, body: Manifest, peering: RegionPeering, facts: PeeringFacts) -> Result:
        left = plan.leaving(facts)
        if left.forced:  # the last that can be said of what the other side still holds
            await self._events.record(body, "Warning", "LeftWithoutPeer", left.message)
        await set_finalizer(self._hub, kinds.REGION_PEERING, peering.metadata, wanted=False)
        return Done()

    def _forget(self, key: Key) -> None:
        self._memories.pop(key, None)
        self._unseen_since.pop(key, None)
        self._writer.forget(key)
        if self._subjects.withdraw(key):
            self._wake_scans(key)

    async def _publish(self, key: Key, peering: RegionPeering, facts: PeeringFacts, body: Manifest) -> Result:
        """Say how the peering stands; returns when to look again."""
        status, memory = peering_status(
            facts,
            before=peering.status,
            memory=self._memories.get(key, LagMemory()),
            now=self._now(),
            reconcile_token=peering.metadata.annotations.get(naming.ANNOTATION_RECONCILE, ""),
        )
        self._memories[key] = memory
        wait_s = await self._writer.publish(
            kinds.REGION_PEERING, body, before=peering.status, after=status, urgent=("observedGeneration", "join")
        )
        self._hand_on(key, facts, status)
        for told in scan_events(peering.status.scan, status.scan) if wait_s is None else ():
            await self._events.record(body, told.kind, told.reason, told.note)
        again_s = look_again_s(facts, shown=status, memory=memory, poll_s=self._poll_s)
        waits = [seconds for seconds in (again_s, wait_s) if seconds is not None]
        return After(min(waits)) if waits else Done()

    def _hand_on(self, key: Key, facts: PeeringFacts, status: RegionPeeringStatus) -> None:
        """Tell the schedule of full scans how the peering stands."""
        told = {item.type: item.status for item in status.conditions}
        in_contact = all(told.get(type_) == wanted for type_, wanted in IN_CONTACT.items())
        subject = scan_subject(facts, join=status.join, scan=status.scan, in_contact=in_contact)
        if self._subjects.publish(key, subject):
            self._wake_scans(key)

    def _wake_scans(self, key: Key) -> None:
        self._enqueue(Key(FULL_SCANS, key.namespace, ""))

    async def _has_changed(self, body: Manifest) -> bool:
        """Whether the object is another one by now."""
        meta = body["metadata"]
        now = await self._hub.get(kinds.REGION_PEERING, meta["namespace"], meta["name"])
        return now is None or now["metadata"].get("generation") != meta.get("generation")

    def _patient(self, key: Key) -> bool:
        """Whether to wait for the first passes over the two Regions, before anything is called unknown."""
        now = self._now()
        return now - self._unseen_since.setdefault(key, now) < FIRST_PASSES

    def _wants_regions(self, peering: RegionPeering) -> bool:
        """Whether the Regions should push documents now: a new generation, or a deletion that has just begun."""
        meta, status = peering.metadata, peering.status
        leaves = status.join is not None and status.join.stage in ("Draining", "Unwiring")
        begun = meta.deletion_timestamp is not None and not leaves
        return begun or status.observed_generation != meta.generation or self._wants_a_plan(peering)

    def _wants_a_plan(self, peering: RegionPeering) -> bool:
        """Whether a dry run was asked for that is not there: its order is a part of a Region's document."""
        told = condition(peering.status.conditions, "Ready")
        asked = peering.metadata.annotations.get(naming.ANNOTATION_RECONCILE, "")
        planned = told is not None and told.reason == "Planned" and peering.status.last_handled_reconcile_at == asked
        return peering.spec.mode == "Plan" and not planned
