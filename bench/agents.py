"""A load generator: the control APIs of many regions' agents in one process, one mTLS port each, without any region.

What travels is the real thing: the agent's own listener, routes, rules of acceptance and status, so an operator cannot
tell the difference. What is behind it is not: configurations are kept in memory, and the status says what an agent says
whose database, management server and links are well. It proves nothing about replication and is used by no test.

Each agent starts as its certificate appears: the operator issues ``<region>-agent-tls`` for an agent that it does not
run, and whoever runs that agent fetches it.
"""

import argparse
import asyncio
import base64
import sys
from datetime import UTC, datetime
from functools import cached_property

from aiohttp import web

from devcluster import toolchain
from region_operator import __version__, mutual_tls
from region_operator.api.agent import AgentStatus, CertificateStatus, Link, LinkStatus, ManagementStatus
from region_operator.replication.agent import control_api
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.configuration import Held, accept
from region_operator.replication.agent.listener import MutualTLSListener
from region_operator.replication.agent.region import RegionFacts
from region_operator.replication.agent.registrar import Proof
from region_operator.replication.agent.registration import wanted
from region_operator.replication.agent.status import Facts, agent_status
from region_operator.replication.model.lag import Incarnation
from region_operator.replication.records import StoreStatus

NAME = "load-{:04d}"
DATABASE_KEY_FINGERPRINT = "sha256:" + "0" * 64
SECRETS = r'jsonpath={.metadata.name} {.data.ca\.crt} {.data.tls\.crt} {.data.tls\.key}{"\n"}'


class Agent:
    """One agent's configuration and status: ``control_api.Keeper`` and ``control_api.StatusSource``."""

    def __init__(self, region_id: int, identity: mutual_tls.Identity) -> None:
        self.region_id, self._identity = region_id, identity
        self.changed = Bell()
        self._held = Held()
        self._status: AgentStatus | None = None

    async def read(self) -> Held:
        return self._held

    async def put(self, body: bytes, *, if_match: str | None) -> Held:
        held = accept(self._held, body, if_match=if_match, region_id=self.region_id)
        for link in [link for link in held.links.values() if link.state == "Leaving"]:
            held = held.after_leaving(link.peering_uid)
        self._held, self._status = held, None
        self.changed.ring()
        return held

    def status(self) -> AgentStatus:
        if self._status is None:
            self._status = agent_status(self._facts())
        return self._status

    def _facts(self) -> Facts:
        held, document = self._held, self._held.document
        proof = Proof()
        if document is not None:
            asked = wanted(document.region, held.links.values(), drained=())
            listed = tuple(asked.present.values())
            management = ManagementStatus(
                reachable=True, version=__version__, regions=sorted(asked.present), own_region_listed=True
            )
            proof = Proof(management=management, wanted=asked, listed=listed)
        history = (Incarnation(f"{self.region_id}.{self.region_id:016x}", 1),)
        return Facts(
            region_id=self.region_id,
            version=__version__,
            held=held,
            region=RegionFacts(StoreStatus(schema_version=1, region_id=self.region_id, history=history)),
            database_reachable=True,
            database_key_fingerprint=DATABASE_KEY_FINGERPRINT,
            proof=proof,
            certificate=self._certificate,
            links=tuple(self._link(link) for _, link in sorted(held.links.items())),
        )

    def _link(self, link: Link) -> LinkStatus:
        return LinkStatus(
            peering_uid=link.peering_uid,
            peer_id=link.peer.id,
            state="Suspended" if link.state == "Suspended" else "Streaming",
            reason="Connected",
            since=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            contact_age_ms=200,
            good_age_ms=600_000,
            lag_ms=0,
            pending_changes=0,
            rtt_ms=0.3,
            peer_database_key_fingerprint=DATABASE_KEY_FINGERPRINT,
        )

    @cached_property
    def _certificate(self) -> CertificateStatus:
        leaf = self._identity.leaf
        return CertificateStatus(
            serial=f"{leaf.serial_number:x}",
            not_after=leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            ca_fingerprints=list(self._identity.ca_fingerprints),
        )


async def serve(options: argparse.Namespace) -> None:
    """Start each agent when its certificate is there; ends when the namespace's Secrets are no longer told."""
    command = [toolchain.kubectl(), "--kubeconfig", options.kubeconfig, "-n", options.namespace, "get", "secrets"]
    watch = ["--field-selector", "type=kubernetes.io/tls", "--watch", "-o", SECRETS]
    told = await asyncio.create_subprocess_exec(*command, *watch, stdout=asyncio.subprocess.PIPE, limit=2**20)
    assert told.stdout
    started: set[int] = set()
    async for line in told.stdout:
        name, *values = line.decode().split()
        if not (name.startswith("load-") and name.endswith("-agent-tls") and len(values) == 3):
            continue
        region_id = int(name.split("-")[1])
        if region_id not in started:
            started.add(region_id)
            identity = mutual_tls.Identity(*(base64.b64decode(value).decode() for value in values))
            await _start(region_id, identity, options)


async def _start(region_id: int, identity: mutual_tls.Identity, options: argparse.Namespace) -> None:
    listener = MutualTLSListener(host=options.host, port=options.first_port + region_id, region_id=region_id)
    agent, app = Agent(region_id, identity), web.Application()
    listener.install(app)
    app.add_routes(control_api.routes(agent, agent))
    await listener.start(app, identity)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="control APIs of many agents, for load")
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--first-port", type=int, required=True)
    sys.exit(asyncio.run(serve(parser.parse_args())))
