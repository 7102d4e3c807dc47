"""The clients of all clusters: the one we run in, and those that tenants gave a kubeconfig for."""

import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration

from region_operator.errors import Unavailable
from region_operator.kubernetes import kubeconfig
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.connection import Connection
from region_operator.supervision.breaker import Breaker

LOCAL: Final = "local"

IDLE_S: Final = 900.0
"""Longer than a resync, so that no pass loses a client that it will ask for."""


async def _nobody(_: Cluster) -> None:
    """Nobody listens."""


async def connect_locally() -> Connection:
    """Connection to the cluster we run in, or that KUBECONFIG (or the user's own file) names.

    That file is the operator's own, so unlike a tenant's it may name programs and files.
    """
    result = Configuration()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            config.load_incluster_config(client_configuration=result)
        else:
            await config.load_kube_config(client_configuration=result, persist_config=False)
    except (config.ConfigException, OSError) as error:
        raise Unavailable(reason="NoCluster", message=f"no cluster to run in: {error}") from error
    return Connection(result)


@dataclass
class _Remote:
    cluster: Cluster
    used: float


class Clusters:
    """Clients by content of their kubeconfig.

    Two Regions with equal content share a client; changed content is another client, and the old one is closed when
    nobody has asked for it for a while.

    Args:
        on_close: told before one is closed.
    """

    def __init__(
        self,
        local: Cluster,
        *,
        may_write: Callable[[], bool],
        allow_special_addresses: bool = False,
        clock: Callable[[], float] = time.monotonic,
        on_close: Callable[[Cluster], Awaitable[None]] = _nobody,
    ) -> None:
        self.local = local
        self._may_write, self._allow_special_addresses = may_write, allow_special_addresses
        self._clock, self._on_close = clock, on_close
        self._remotes: dict[str, _Remote] = {}

    async def remote(self, content: str | bytes) -> Cluster:
        """The client for a kubeconfig; it may not be able to reach its server.

        Raises:
            KubeconfigRefused: naming the key.
        """
        raw = content.encode() if isinstance(content, str) else content
        digest = hashlib.sha256(raw).hexdigest()
        entry = self._remotes.get(digest)
        if entry is None:
            entry = self._remotes[digest] = _Remote(self._open(raw, digest), self._clock())
        entry.used = self._clock()
        return entry.cluster

    async def close_unused(self) -> None:
        """Close the clients that nobody has asked for lately; called now and then."""
        idle_since = self._clock() - IDLE_S
        for digest in [digest for digest, entry in self._remotes.items() if entry.used < idle_since]:
            await self._close(self._remotes.pop(digest).cluster)

    async def close(self) -> None:
        """Close all, the local one too."""
        while self._remotes:
            await self._close(self._remotes.popitem()[1].cluster)
        await self.local.close()

    def _open(self, content: bytes, digest: str) -> Cluster:
        access = kubeconfig.parse(content, allow_special_addresses=self._allow_special_addresses)
        connection = Connection(
            kubeconfig.configuration(access),
            tls=kubeconfig.tls_context(access),
            check_addresses=not self._allow_special_addresses,
            breaker=Breaker(clock=self._clock),
        )
        return Cluster(f"kubeconfig-{digest[:12]}", connection, may_write=self._may_write)

    async def _close(self, cluster: Cluster) -> None:
        await self._on_close(cluster)
        await cluster.close()
