"""What coordinators last said of their full scans, and the peerings that the schedule is to serve.

Agents are asked, never remembered beyond this process: who runs what is a fact of theirs (OPERATOR.md 18).
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Final, Protocol

from region_operator.api.scans import ScanReport, ScanReports
from region_operator.controller.agent_client import AgentEndpoint
from region_operator.controller.facts import ScanFacts
from region_operator.controller.schedule.wants import Subject
from region_operator.errors import Conflict, Refused, Unavailable
from region_operator.supervision.units import Key

log = logging.getLogger(__name__)

ASKED_AT_ONCE: Final = 32


class _Client(Protocol):
    async def get_scans(self, endpoint: AgentEndpoint) -> ScanReports: ...


class ScanObserver:
    """Asks coordinators for their scans, and keeps what they said last.

    Args:
        endpoint_of: where the agent of a Region is.
    """

    def __init__(self, client: _Client, endpoint_of: Callable[[Key], AgentEndpoint | None]) -> None:
        self._client, self._endpoint_of = client, endpoint_of
        self._said: dict[Key, dict[str, dict[str, ScanReport]]] = {}  # by region, peering and scan
        self._silent: set[Key] = set()

    async def ask(self, coordinators: Collection[Key]) -> None:
        """Ask them all; one that does not answer keeps what it said last and is not ``answering`` till it does."""
        places = asyncio.Semaphore(ASKED_AT_ONCE)

        async def one(region: Key) -> None:
            async with places:
                await self._ask(region)

        await asyncio.gather(*map(one, coordinators))

    async def _ask(self, region: Key) -> None:
        endpoint = self._endpoint_of(region)
        if endpoint is None:
            self._silent.add(region)
            return
        try:
            answer = await self._client.get_scans(endpoint)
        except (Unavailable, Refused, Conflict) as error:
            log.info("full scans of %s are not known: %s", region, error)
            self._silent.add(region)
            return
        self._silent.discard(region)
        self._said[region] = {}
        for report in answer.scans:
            self.heard(region, report)

    def heard(self, region: Key, report: ScanReport) -> None:
        """The agent answered a grant or an abort with this."""
        self._said.setdefault(region, {}).setdefault(report.peering_uid, {})[report.id] = report

    def answering(self, region: Key) -> bool:
        """Whether it answered when it was asked last."""
        return region in self._said and region not in self._silent

    def facts(self, region: Key, peering: str) -> ScanFacts:
        said = self._said.get(region)
        if said is None:
            return ScanFacts()
        return ScanFacts(tuple(said.get(peering, {}).values()), heard=True)

    def others(self, region: Key, peerings: Collection[str]) -> list[ScanReport]:
        """Scans of other peerings than those."""
        said = self._said.get(region, {})
        return [report for peering in said.keys() - set(peerings) for report in said[peering].values()]

    def keep_only(self, namespace: str, coordinators: Collection[Key]) -> None:
        """Forget what regions of that namespace said that run no scans any more."""
        for region in [key for key in self._said if key.namespace == namespace and key not in coordinators]:
            del self._said[region]
        self._silent -= {key for key in self._silent if key.namespace == namespace and key not in coordinators}


class Subjects:
    """What the last pass over each peering found out that the schedule needs; None = there is nothing to scan."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, Subject | None]] = defaultdict(dict)

    def publish(self, key: Key, subject: Subject | None) -> bool:
        """Keep it; returns whether it is news."""
        known = self._of[key.namespace]
        news = key.name not in known or known[key.name] != subject
        known[key.name] = subject
        return news

    def withdraw(self, key: Key) -> bool:
        """The peering is gone; returns whether it was known."""
        known = self._of.get(key.namespace, {})
        known_so_far = key.name in known
        known.pop(key.name, None)
        return known_so_far

    def of(self, namespace: str) -> list[Subject]:
        return [subject for _, subject in sorted(self._of.get(namespace, {}).items()) if subject is not None]

    def are_complete(self, namespace: str, peerings: Collection[str]) -> bool:
        """Whether a pass was made over each of the peerings."""
        return self._of.get(namespace, {}).keys() >= set(peerings)
