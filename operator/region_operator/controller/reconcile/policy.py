"""One pass over a SyncPolicy: judge it, and say where it is in force. Regions and peerings carry it to the agents."""

from collections.abc import Callable
from datetime import datetime, timedelta

from region_operator.api.conditions import condition
from region_operator.api.policy import SyncPolicy
from region_operator.api.policy_rules import effective_rules
from region_operator.controller.facts import Invalid, PolicyObjectFacts, Unknown
from region_operator.controller.fleet import REGION, Entry, Fleet
from region_operator.controller.observe.agents import AgentObserver
from region_operator.controller.observe.policies import judged
from region_operator.controller.reconcile.publish import StatusWriter
from region_operator.controller.reconcile.reading import read
from region_operator.controller.schedule.figures import Figures
from region_operator.controller.status.policy import policy_status
from region_operator.kubernetes import kinds
from region_operator.kubernetes.cluster import Cluster
from region_operator.supervision.results import After, Done, Result
from region_operator.supervision.units import Key

FIRST_ANSWERS = timedelta(seconds=30)


class PolicyReconciler:
    """Passes over SyncPolicies.

    Args:
        scans_of: how full scans stand in a namespace under a policy.
    """

    def __init__(  # noqa: PLR0913 - one place composes it
        self,
        hub: Cluster,
        fleet: Fleet,
        agents: AgentObserver,
        *,
        writer: StatusWriter,
        now: Callable[[], datetime],
        poll_s: int,
        scans_of: Callable[[str, str], Figures | None],
    ) -> None:
        self._hub, self._fleet, self._agents = hub, fleet, agents
        self._writer, self._now, self._poll_s, self._scans_of = writer, now, poll_s, scans_of
        self._unheard_since: dict[Key, datetime] = {}

    async def reconcile(self, key: Key) -> Result:
        """Bring one policy's status up to date; raises like the Kubernetes door."""
        body = await self._hub.get(kinds.SYNC_POLICY, key.namespace, key.name)
        if body is None:
            self._writer.forget(key)
            self._unheard_since.pop(key, None)
            return Done()
        policy = await read(SyncPolicy, kinds.SYNC_POLICY, body, writer=self._writer, now=self._now())
        if policy is None:
            return Done()
        if _was_in_force(policy) and self._awaits_answers(key):
            return After(1.0)
        verdict = judged(policy, poll_s=self._poll_s)
        rules_hash = effective_rules(policy.spec).hash
        status = policy_status(
            policy,
            self._facts(key, rules_hash),
            refusal=verdict if isinstance(verdict, Invalid) else None,
            rules_hash=rules_hash,
            now=self._now(),
            scans=self._scans_of(key.namespace, key.name),
        )
        wait_s = await self._writer.publish(
            kinds.SYNC_POLICY, body, before=policy.status, after=status, urgent=("observedGeneration", "inForce")
        )
        return After(wait_s) if wait_s else Done()

    def _awaits_answers(self, key: Key) -> bool:
        """Whether an agent has not answered this process yet; for a while after a start that is no news."""
        users = self._fleet.users_of(key.namespace, key.name)
        if all(self._agents.facts(user.key).last for user in users if user.key.kind == REGION):
            return False
        now = self._now()
        return now - self._unheard_since.setdefault(key, now) < FIRST_ANSWERS

    def _facts(self, key: Key, rules_hash: str) -> PolicyObjectFacts:
        users = self._fleet.users_of(key.namespace, key.name)
        regions = [entry for entry in users if entry.key.kind == REGION]
        peerings = [entry for entry in users if entry.key.kind != REGION]
        return PolicyObjectFacts(
            regions=tuple(entry.key.name for entry in regions),
            regions_in_force=tuple(e.key.name for e in regions if self._hash_of(e.key) == rules_hash),
            peerings=tuple(entry.key.name for entry in peerings),
            peerings_in_force=tuple(e.key.name for e in peerings if self._is_wired(e)),
            unknown_regions=tuple(
                e.key.name for e in regions if isinstance(self._agents.facts(e.key).status, Unknown | None)
            ),
        )

    def _hash_of(self, region: Key) -> str:
        answer = self._agents.facts(region).last
        return answer.rules_hash if answer else ""

    def _is_wired(self, peering: Entry) -> bool:
        """Whether both agents acknowledged this generation of the peering, and with it the limits of its policy."""
        answers = [self._agents.facts(Key(REGION, peering.key.namespace, name)).last for name in peering.refers_to]
        return all(
            answer is not None
            and any(s.uid == peering.uid and s.generation >= peering.generation for s in answer.sources)
            for answer in answers
        )


def _was_in_force(policy: SyncPolicy) -> bool:
    ready = condition(policy.status.conditions, "Ready")
    return ready is not None and ready.status == "True" and ready.observed_generation == policy.metadata.generation
