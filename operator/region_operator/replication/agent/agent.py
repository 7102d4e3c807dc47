"""The parts of an agent put together: what runs as long as the program, and what runs while it owns the database."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from aiohttp import web

from region_operator import __version__, mutual_tls
from region_operator.api.agent import AgentStatus, Link
from region_operator.api.scans import FEATURE as SCANS
from region_operator.errors import InvalidInput
from region_operator.replication.agent import (
    control_api,
    health,
    peer_api,
    people_api,
    registrar,
    roles,
    scan_api,
)
from region_operator.replication.agent.certificates import CertificateDirectory
from region_operator.replication.agent.configuration import FEATURES, Rejected
from region_operator.replication.agent.database_key import fingerprint_of_file
from region_operator.replication.agent.keeper import BUILT_IN_RULES, ConfigurationKeeper, built_in_rules, rules_of
from region_operator.replication.agent.links import Links
from region_operator.replication.agent.listener import MutualTLSListener
from region_operator.replication.agent.load_meter import ApiLatency, ScannedHere
from region_operator.replication.agent.opening import BACKOFF
from region_operator.replication.agent.owned_database import OwnedDatabase, until_fenced, until_one_fails
from region_operator.replication.agent.peer_client import PeerClient
from region_operator.replication.agent.peer_source import PeerSource
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.agent.scan_metrics import ScanMetrics
from region_operator.replication.agent.scan_regions import ScanRegions
from region_operator.replication.agent.scans import Compare, Scans
from region_operator.replication.agent.status import Facts, agent_status
from region_operator.replication.model.rules import EntityRuleSet
from region_operator.replication.store.region_store import RegionStore
from region_operator.settings import AgentSettings
from region_operator.supervision import Process, Supervisor

log = logging.getLogger(__name__)

CERTIFICATE_RETRY_S = 1.0


class OpenStore(Protocol):
    """``RegionStore.open`` with its address bound; blocking."""

    def __call__(self, *, region_id: int, rules: dict[str, EntityRuleSet], mint: Callable[[], int]) -> RegionStore: ...


class Agent:
    """One region's agent; a database that is away is waited for, never died of."""

    def __init__(
        self, settings: AgentSettings, *, open_store: OpenStore, key_file: Path, compare: Compare | None = None
    ) -> None:
        """``compare`` gives what compares the chunks of a scan; without it no scans are taken."""
        self._settings, self._key_file, self._key = settings, key_file, ""
        self.database = OwnedDatabase(
            lambda: open_store(region_id=settings.region_id, rules=built_in_rules(), mint=lambda: secrets.randbits(63))
        )
        self.changed = self.database.changed
        self._keeper = ConfigurationKeeper(region_id=settings.region_id, status_changed=self.changed)
        self._certificates = CertificateDirectory(settings.tls_directory, more_trust=self._configured_trust)
        self._registrar = registrar.Registrar(
            order=self._order, open_api=registrar.opener(settings), changed=self.changed
        )
        self._links = Links(
            keeper=self._keeper,
            connect=self._connect,
            is_forgotten=lambda uid, region_id: self._registrar.proof.forgotten(uid, region_id),
            changed=self.changed,
            order_changed=self._registrar.wake.ring,
        )
        self._api_latency = ApiLatency(registrar.opener(settings))
        self._scanned_here: ScannedHere | None = None
        self._takes_scans = compare is not None
        self._scans = Scans(
            self._keeper,
            regions=ScanRegions(settings.region_id, here=self.scanned, connect=self._connect),
            compare=compare,
            changed=self.changed,
        )
        self._listener = MutualTLSListener(
            host=settings.listen_host, port=settings.listen_port, region_id=settings.region_id
        )
        self._serving = False

    @property
    def port(self) -> int:
        return self._listener.port

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set, then let running transactions end."""
        health_runner = web.AppRunner(self._health_app(), access_log=None, shutdown_timeout=1)
        await health_runner.setup()
        await web.TCPSite(health_runner, self._settings.listen_host, self._settings.health_port).start()
        serving = asyncio.ensure_future(self._serve())
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            stopped.cancel()
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
            await health_runner.cleanup()

    async def _serve(self) -> None:
        app = web.Application()
        self._listener.install(app)
        app.add_routes(control_api.routes(self._keeper, self))
        app.add_routes(peer_api.routes(self._peer_source()))
        app.add_routes(people_api.routes(self.database.at_hand))
        app.add_routes(scan_api.routes(self._scans))
        try:
            await self._listener.start(app, await self._first_certificates())
            self._serving = True
            log.info("serving", extra={"port": self.port})
            async with Supervisor(backoff=BACKOFF) as supervisor:
                supervisor.spawn("certificates", lambda _: self._certificates.follow(self._listener.use))
                supervisor.spawn("registrar", lambda _: self._registrar.run())
                supervisor.spawn("management latency", lambda _: self._api_latency.run())
                supervisor.spawn("database", self._own_database)
                await asyncio.Event().wait()
        finally:
            self._serving = False
            await self._listener.stop()

    async def _first_certificates(self) -> mutual_tls.Identity:
        while True:
            try:
                identity = await self._certificates.load()
                roles.own_fleet(mutual_tls.uri_names(identity.leaf), region_id=self._settings.region_id)
            except InvalidInput as error:
                log.warning("waiting for usable certificates: %s", error)
                await asyncio.sleep(CERTIFICATE_RETRY_S)
            else:
                return identity

    # --- while the database is ours ------------------------------------------------------------------------------

    async def _own_database(self, process: Process) -> None:
        """Take the database, resume what is configured in it, and give it back."""
        async with self.database.taken() as region:
            try:
                await self._resume(region)
                self._scanned_here = ScannedHere(region, api=self._api_latency)
                self.database.resumed(region)
                process.ready()
                await self._work(region, self._scanned_here)
            finally:
                self._scanned_here = None
                self._keeper.close()

    async def _work(self, region: LocalRegion, scanned: ScannedHere) -> None:
        await until_one_fails(
            region.capture(),
            region.retry_parked(),
            region.observe(self._sources),
            region.forget_closed_conflicts(self._retention_days),
            self._links.run(region),
            scanned.run(),
            self._scans.run(region),
            region.watch_schema(),
            until_fenced(region),
        )

    async def _resume(self, region: LocalRegion) -> None:
        self._key = await asyncio.to_thread(fingerprint_of_file, self._key_file)
        if not self._key:
            log.warning("no database key at %s: no rows are exchanged", self._key_file)
        held = await self._keeper.open(region)
        try:
            await region.set_rules(rules_of(held))
        except Rejected as rejected:  # stored by a newer agent; the operator is told the hash and pushes again
            log.warning("the stored rules are unusable here, built-in ones are used: %s", rejected)
        await region.look(self._sources())
        self._registrar.wake.ring()

    # --- what the parts ask of each other ------------------------------------------------------------------------

    def _configured_trust(self) -> list[str]:
        held = self._keeper.held
        return held.document.trust if held and held.document else []

    def _connect(self, link: Link) -> PeerClient:
        return PeerClient(
            link.peer,
            peering_uid=link.peering_uid,
            identity=lambda: self._certificates.identity,
            database_key=lambda: self._key,
        )

    def _sources(self) -> list[int]:
        return sorted({facts.peer_id for facts in self._links.facts.values()})

    def _retention_days(self) -> int:
        held = self._keeper.held
        return (held.document.rules if held and held.document else BUILT_IN_RULES).retention_days

    def _order(self) -> registrar.Order | None:
        held = self._keeper.held
        if held is None or held.document is None:
            return None
        return registrar.Order(held.document.region, tuple(held.links.values()), frozenset(self._links.drained))

    def scanned(self) -> ScannedHere:
        self.database.at_hand()
        assert self._scanned_here is not None
        return self._scanned_here

    def _peer_source(self) -> PeerSource:
        return PeerSource(
            self.database,
            keeper=self._keeper,
            links=self._links,
            scanned=self.scanned,
            database_key=lambda: self._key,
        )

    # --- control_api.StatusSource --------------------------------------------------------------------------------

    def status(self) -> AgentStatus:
        region = self.database.region
        return agent_status(
            Facts(
                region_id=self._settings.region_id,
                version=__version__,
                features=FEATURES if self._takes_scans else FEATURES - {SCANS},
                held=self._keeper.held,
                region=region.facts if region else None,
                database_reachable=self.database.is_reachable,
                database_message=self.database.message,
                database_key_fingerprint=self._key,
                proof=self._registrar.proof,
                certificate=self._certificates.status(),
                links=self._links.statuses(),
            )
        )

    # --- health --------------------------------------------------------------------------------------------------

    def _health_app(self) -> web.Application:
        metrics = health.AgentMetrics(
            self.status, counters=self._counters, not_after=self._certificates.not_after_timestamp
        )
        return health.app(is_ready=lambda: self._serving, metrics=[metrics, ScanMetrics(self._scans)])

    def _counters(self) -> dict[str, dict[str, float]]:
        region = self.database.region
        if region is None:
            return {}
        return {
            "captured_rows": {"": region.folded_rows},
            "capture_passes": {"": region.fold_passes},
            "applied_rows": {str(source): rows for source, rows in region.applied_rows.items()},
        }
