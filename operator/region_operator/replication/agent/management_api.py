"""The agent's door to its own management server: tells it the other regions, by CloudStack's signed HTTP API.

Works with ours and with a real CloudStack. Requests are POSTed, so that no parameter is in an access log.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp

from region_operator.api.signature import SIGNATURE, expires, sign
from region_operator.errors import InvalidInput, Refused, Unavailable

_VALIDITY: Final = timedelta(minutes=10)
_PAGE_SIZE: Final = 500
_PARAMETER_ERROR: Final = 431


@dataclass(frozen=True)
class Credentials:
    api_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class KnownRegion:
    """A row of the management server's list of regions; ``endpoint`` exactly as it was given."""

    id: int
    name: str
    endpoint: str


class ApiRefused(Refused):
    """The management server answered with an error; ``code`` is CloudStack's."""

    def __init__(self, *, command: str, code: int, text: str) -> None:
        self.code = code
        super().__init__(reason="ManagementRefused", message=f"{command} was refused with {code}: {text}")


def credentials_from(directory: Path) -> Callable[[], Credentials]:
    """Read the mounted Secret at each request, so that rotated keys need no restart."""

    def read() -> Credentials:
        try:
            texts = [(directory / name).read_text().strip() for name in ("apiKey", "secretKey")]
        except OSError as error:
            raise InvalidInput(
                field=str(directory),
                problem=f"cannot read the API keys of the management server ({error.strerror})",
                remedy="mount a Secret with the keys apiKey and secretKey",
                reason="SecretMissing",
            ) from error
        return Credentials(*texts)

    return read


def utc_now() -> datetime:
    return datetime.now(UTC)


class ManagementApi:
    """Calls of region commands; every method raises Unavailable, or Refused with the server's own words."""

    def __init__(
        self,
        url: str,
        *,
        session: aiohttp.ClientSession,
        credentials: Callable[[], Credentials],
        timeout_s: float = 10.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """``url`` is the whole one, ``http(s)://host:port/client/api``; TLS trust is the session's connector's."""
        self._url, self._session, self._credentials, self._now = url, session, credentials, now
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def list_capabilities(self) -> Mapping[str, Any]:
        """What the server says of itself; ``cloudstackversion`` is its version."""
        capability: Mapping[str, Any] = (await self._call("listCapabilities")).get("capability", {})
        return capability

    async def list_regions(self) -> list[KnownRegion]:
        regions: dict[int, KnownRegion] = {}
        for page in range(1, 1000):
            answer = await self._call("listRegions", page=str(page), pagesize=str(_PAGE_SIZE))
            seen = len(regions)
            regions |= {int(row["id"]): _known(row) for row in answer.get("region", [])}
            # A real CloudStack ignores the page and answers with everything each time: nothing new is the end too.
            if len(regions) in (seen, answer.get("count")):
                break
        return sorted(regions.values(), key=lambda region: region.id)

    async def add_region(self, region: KnownRegion) -> bool:
        """Make the server know the region as given; False if it already did.

        Raises:
            Refused: another region has that name.
        """
        try:
            await self._call("addRegion", **_parameters(region))
        except ApiRefused as refusal:
            if refusal.code != _PARAMETER_ERROR:
                raise
            known = {row.id: row for row in await self.list_regions()}
            if region.id not in known:
                raise
            if known[region.id] == region:
                return False
            await self._call("updateRegion", **_parameters(region))
        return True

    async def remove_region(self, region_id: int) -> bool:
        """Make the server forget the region; False if it did not know it."""
        try:
            await self._call("removeRegion", id=str(region_id))
        except ApiRefused as refusal:
            if refusal.code != _PARAMETER_ERROR or region_id in {row.id for row in await self.list_regions()}:
                raise
            return False
        return True

    async def _call(self, command: str, **arguments: str) -> Mapping[str, Any]:
        status, body = await self._post(self._signed(command, arguments))
        inner = _envelope(body)
        if status == HTTPStatus.OK and inner is not None:
            return inner
        if status == HTTPStatus.UNAUTHORIZED:
            raise Unavailable(
                reason="AuthFailed",
                message=f"the management server at {self._url} does not accept the API keys"
                " (or the clocks differ by more than ten minutes)",
            )
        if inner is None or "errorcode" not in inner:
            raise Unavailable(
                reason="BadAnswer", message=f"{self._url} answered {command} with HTTP {status} and no CloudStack body"
            )
        raise ApiRefused(command=command, code=int(inner["errorcode"]), text=str(inner.get("errortext", "")))

    def _signed(self, command: str, arguments: Mapping[str, str]) -> dict[str, str]:
        credentials = self._credentials()
        parameters = {
            "command": command,
            "response": "json",
            "apiKey": credentials.api_key,
            "signatureVersion": "3",
            "expires": expires(self._now() + _VALIDITY),
            **arguments,
        }
        return {**parameters, SIGNATURE: sign(parameters, credentials.secret_key)}

    async def _post(self, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        try:
            async with self._session.post(
                self._url, data=parameters, timeout=self._timeout, allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except TimeoutError as error:
            raise Unavailable(reason="ProbeTimeout", message=f"no answer of {self._url} in time") from error
        except aiohttp.ClientSSLError as error:
            raise Unavailable(reason="TLSFailed", message=f"TLS with {self._url} failed: {error}") from error
        except aiohttp.InvalidURL as error:
            raise InvalidInput(
                field="management_url",
                problem=f"{self._url!r} is not a URL",
                remedy="give http(s)://host:port/client/api",
            ) from error
        except aiohttp.ClientError as error:
            raise Unavailable(reason="ConnectionRefused", message=f"cannot reach {self._url}: {error}") from error


def _known(row: Mapping[str, Any]) -> KnownRegion:
    return KnownRegion(id=int(row["id"]), name=str(row.get("name", "")), endpoint=str(row.get("endpoint", "")))


def _parameters(region: KnownRegion) -> dict[str, str]:
    return {"id": str(region.id), "name": region.name, "endpoint": region.endpoint}


def _envelope(body: bytes) -> Mapping[str, Any] | None:
    """The one value under the response key; None if this is no answer of a CloudStack."""
    try:
        outer = json.loads(body)
    except ValueError:
        return None
    if not isinstance(outer, dict) or len(outer) != 1:
        return None
    inner = next(iter(outer.values()))
    return inner if isinstance(inner, dict) else None
