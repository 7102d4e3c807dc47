"""What an answer of the API server, or its absence, means to the caller: the one place that knows status codes."""

import json
import ssl
from typing import Any, Final

import aiohttp

from region_operator.errors import Conflict, InvalidInput, Refused, RegionOperatorError, Unavailable
from region_operator.kubernetes.addresses import AddressRefused

_LONGEST_MESSAGE = 300


class NotFound(RegionOperatorError):
    """There is no such object, or no such namespace to make it in."""


class Expired(RegionOperatorError):
    """The resource version or continue token is too old; list again."""


_PLAIN: Final = {409: Conflict, 410: Expired}
_REASONS: Final = {
    401: "AuthFailed",
    403: "Forbidden",
    404: "KindNotServed",  # a missing object is named in the details, a missing kind is not
    429: "TooManyRequests",
}


def parse(status: int, body: bytes, what: str) -> dict[str, Any]:
    """The object that was answered.

    Raises:
        RegionOperatorError: whichever subclass says what to do about a refusal.
    """
    try:
        content = json.loads(body) if body else {}
    except ValueError:
        content = None
    if 200 <= status < 300 and isinstance(content, dict):
        return content
    raise refusal(status, content if isinstance(content, dict) else {}, what)


def refusal(status: int, content: dict[str, Any], what: str) -> RegionOperatorError:
    """The error for a status code and the ``Status`` object that came with it (other bodies are never quoted)."""
    said = str(content.get("message") or "") if content.get("kind") == "Status" else ""
    message = f"{what}: {status} {said[:_LONGEST_MESSAGE]}".rstrip()
    details = content.get("details") or {}
    if status == 404 and details.get("name"):
        return NotFound(message)
    if status == 403 and any(cause.get("reason") == "NamespaceTerminating" for cause in details.get("causes") or ()):
        return Refused(reason="NamespaceTerminating", message=message)
    if status in {400, 413, 422}:
        return _invalid(details, message)
    if status in _PLAIN:
        return _PLAIN[status](message)
    reason = "ServerError" if status >= 500 else _REASONS.get(status, "UnexpectedAnswer")
    return Unavailable(reason=reason, message=message)


def failure(error: Exception, what: str) -> RegionOperatorError:
    """The error for a call that brought no answer."""
    refused = _refused_address(error)
    if refused is not None:
        return refused
    if isinstance(error, TimeoutError):
        return Unavailable(reason="ProbeTimeout", message=f"{what}: no answer in time")
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch | ssl.SSLError):
        return Unavailable(reason="TLSFailed", message=f"{what}: {_brief(error)}")
    if isinstance(error, aiohttp.ClientResponseError | ValueError):
        return Unavailable(reason="UnexpectedAnswer", message=f"{what}: {_brief(error)}")
    return Unavailable(reason="ConnectionRefused", message=f"{what}: {_brief(error)}")


def _refused_address(error: BaseException | None) -> AddressRefused | None:
    """Whether our own connector said no: its error comes wrapped by whoever tried the addresses."""
    seen = 0
    while error is not None and seen < 8:
        if isinstance(error, AddressRefused):
            return error
        error, seen = getattr(error, "os_error", None) or error.__cause__ or error.__context__, seen + 1
    return None


def _brief(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:_LONGEST_MESSAGE]


def _invalid(details: dict[str, Any], message: str) -> RegionOperatorError:
    causes = details.get("causes") or [{}]
    field = str(causes[0].get("field") or "manifest")
    if field == "metadata.uid":  # a patch that names the object it means, and finds another one
        return Conflict(message)
    problem = str(causes[0].get("message") or message)[:_LONGEST_MESSAGE]
    return InvalidInput(field=field, problem=problem, remedy="change the value", reason="RefusedByKubernetes")
