"""Follows the mounted certificates: what is on disk now is what the agent serves with and presents, without restart."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from region_operator import mutual_tls
from region_operator.api.agent import CertificateStatus
from region_operator.errors import InvalidInput

log = logging.getLogger(__name__)

LOOK_INTERVAL_S = 1.0  # three small files; the kubelet itself takes up to a minute to swap them


class CertificateDirectory:
    """The identity in use: the mounted files, believing also the CAs that the configuration names."""

    def __init__(self, directory: Path, *, more_trust: Callable[[], list[str]]) -> None:
        self._directory, self._more_trust = directory, more_trust
        self._identity: mutual_tls.Identity | None = None
        self._complained_about = ""

    @property
    def identity(self) -> mutual_tls.Identity:
        assert self._identity is not None, "load() first"
        return self._identity

    async def load(self) -> mutual_tls.Identity:
        """Read and check what is mounted; raises InvalidInput if it cannot be used."""
        mounted = await asyncio.to_thread(mutual_tls.read_identity, self._directory)
        identity = mounted.trusting(self._more_trust())
        mutual_tls.client_context(identity)  # a half-written or mismatched pair ends here
        self._identity = identity
        return identity

    async def follow(self, use: Callable[[mutual_tls.Identity], Awaitable[None]]) -> None:
        """Call ``use`` with every new usable identity; an unusable one is logged once and the former stays."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            before = self._identity
            try:
                identity = await self.load()
                if before is None or identity.digest != before.digest:
                    await use(identity)
                    log.info("serving with new certificates", extra={"serial": _serial(identity)})
                self._complained_about = ""
            except InvalidInput as error:
                self._identity = before
                if str(error) != self._complained_about:
                    log.warning("new certificates are unusable, the former stay in use: %s", error)
                    self._complained_about = str(error)

    def status(self) -> CertificateStatus:
        if self._identity is None:
            return CertificateStatus()
        return CertificateStatus(
            serial=_serial(self._identity),
            not_after=self._identity.leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            ca_fingerprints=list(self._identity.ca_fingerprints),
        )

    def not_after_timestamp(self) -> float | None:
        return None if self._identity is None else self._identity.leaf.not_valid_after_utc.timestamp()


def _serial(identity: mutual_tls.Identity) -> str:
    return format(identity.leaf.serial_number, "x")
