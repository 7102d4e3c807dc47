"""Keeps the local management server's list of regions as the configuration orders, and says what it proved."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import aiohttp

from region_operator.api.agent import Link, ManagementStatus, RegionIdentity
from region_operator.connection_faults import message_of
from region_operator.errors import InvalidInput, Refused, Unavailable
from region_operator.replication.agent import registration
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.management_api import KnownRegion, ManagementApi, credentials_from
from region_operator.settings import AgentSettings

log = logging.getLogger(__name__)

PROOF_INTERVAL_S = 30.0
RETRY_S = 0.5  # a management server that starts beside us is there soon
RETRY_CAP_S = 30.0


class RegionApi(Protocol):
    """The part of a management server that registration needs."""

    async def list_capabilities(self) -> object: ...
    async def list_regions(self) -> list[KnownRegion]: ...
    async def add_region(self, region: KnownRegion) -> bool: ...
    async def remove_region(self, region_id: int) -> bool: ...


OpenApi = Callable[[], AbstractAsyncContextManager[RegionApi]]


@dataclass(frozen=True)
class Order:
    """What the configuration asks of the management server."""

    own: RegionIdentity
    links: tuple[Link, ...] = ()
    drained: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Proof:
    """What the last pass learned."""

    management: ManagementStatus = field(default_factory=ManagementStatus)
    wanted: registration.Wanted | None = None
    listed: tuple[KnownRegion, ...] = ()
    drained: frozenset[str] = frozenset()  # of the order it was made for
    refusals: tuple[tuple[int, str], ...] = ()  # region id, the server's words

    def registered(self, region_id: int) -> bool | None:
        """Whether the list shows the region as it should be; None = the list is not known."""
        if self.wanted is None:
            return None
        return registration.is_registered(region_id, self.wanted, self.listed)

    def forgotten(self, peering_uid: str, region_id: int) -> bool:
        """Whether this was read after the link had drained, and its region is not listed or has another link."""
        if self.wanted is None or peering_uid not in self.drained:
            return False
        return region_id in self.wanted.present or all(region.id != region_id for region in self.listed)

    def message(self, region_id: int) -> str:
        return dict(self.refusals).get(region_id, "") or self.management.message


class Registrar:
    """One process: look, correct, look again; at once when the order changes, else every half minute."""

    def __init__(
        self,
        *,
        order: Callable[[], Order | None],
        open_api: OpenApi,
        changed: Bell,
    ) -> None:
        """``order`` tells what is asked for now (None: nothing yet); ring ``wake`` when that changed."""
        self._order, self._open_api, self._changed = order, open_api, changed
        self.wake = Bell()
        self.proof = Proof()

    async def run(self) -> None:
        failures = 0
        while True:
            count = self.wake.count
            proof = await self._pass()
            failures = 0 if proof.management.reachable and not proof.refusals else failures + 1
            if proof != self.proof:
                self.proof = proof
                self._changed.ring()
            rest_s = min(RETRY_S * 2.0 ** min(failures - 1, 8), RETRY_CAP_S) if failures else PROOF_INTERVAL_S
            if await self.wake.beyond(count, timeout_s=rest_s):
                failures = 0  # something else is asked for or has come up: look often again

    async def _pass(self) -> Proof:
        order = self._order()
        try:
            async with self._open_api() as api:
                version = _version(await api.list_capabilities())
                if order is None:
                    return _proof(version, await api.list_regions())
                return await self._correct(api, order, version)
        except (Unavailable, InvalidInput, Refused) as error:
            status = ManagementStatus(reachable=False, reason=error.reason, message=message_of(error))
            return Proof(management=status)

    async def _correct(self, api: RegionApi, order: Order, version: str) -> Proof:
        wanted = registration.wanted(order.own, order.links, drained=order.drained)
        listed = await api.list_regions()
        steps = registration.steps(wanted, listed)
        if not steps:
            return _proof(version, listed, order=order, wanted=wanted)
        log.info("correcting the management server's regions", extra={"add": steps.add, "remove": steps.remove})
        todo = [(region.id, partial(api.add_region, region)) for region in steps.add]
        todo += [(region_id, partial(api.remove_region, region_id)) for region_id in steps.remove]
        refusals = []
        for region_id, call in todo:
            try:
                await call()
            except Refused as refused:  # one that is refused keeps no other out
                refusals.append((region_id, str(refused)))
        listed = await api.list_regions()
        return _proof(version, listed, order=order, wanted=wanted, refusals=refusals)


def _proof(
    version: str,
    listed: list[KnownRegion],
    *,
    order: Order | None = None,
    wanted: registration.Wanted | None = None,
    refusals: Iterable[tuple[int, str]] = (),
) -> Proof:
    own_listed = None if order is None else any(region.id == order.own.id for region in listed)
    status = ManagementStatus(
        reachable=True, version=version, regions=[region.id for region in listed], own_region_listed=own_listed
    )
    drained = order.drained if order else frozenset[str]()
    return Proof(management=status, wanted=wanted, listed=tuple(listed), drained=drained, refusals=tuple(refusals))


def _version(capability: object) -> str:
    return str(capability.get("cloudstackversion", "")) if isinstance(capability, dict) else ""


def opener(settings: AgentSettings) -> OpenApi:
    """Return what opens the configured management server; CA and keys are read anew each time."""
    credentials = credentials_from(settings.management_credentials_directory)

    @asynccontextmanager
    async def opened() -> AsyncIterator[RegionApi]:
        trust = await asyncio.to_thread(_trust, settings.management_ca_file)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=2, ssl=trust), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        ) as session:
            yield ManagementApi(settings.management_url, session=session, credentials=credentials)

    return opened


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ValueError) as error:
        raise InvalidInput(
            field="AGENT_MANAGEMENT_CA_FILE",
            problem=f"{ca_file} cannot be used ({error})",
            remedy="mount a PEM file with the CA of the management server",
            reason="CertificateMissing",
        ) from error
