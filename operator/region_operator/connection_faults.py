"""Why a connection to an agent failed, in the words that conditions use (API.md, Partitioned).

Libraries wrap the true cause several times; the chain is walked, and the most telling cause in it names the reason.
"""

import ssl
from collections.abc import Iterator
from typing import Literal

ConnectionFault = Literal["ProbeTimeout", "ConnectionRefused", "TLSFailed"]

_MESSAGE_LIMIT = 256


def reason_of(error: BaseException) -> ConnectionFault:
    """Return the reason for a failed connection or a broken one."""
    chain = list(_chain(error))
    if any(isinstance(cause, ssl.SSLError | ssl.CertificateError) for cause in chain) or any(
        _is_tls_alert(cause) for cause in chain
    ):
        return "TLSFailed"
    if any(isinstance(cause, TimeoutError) for cause in chain):
        return "ProbeTimeout"
    return "ConnectionRefused"


def message_of(error: BaseException) -> str:
    """Return one line for people; the class stands in where an error has no text (timeouts)."""
    cause = getattr(error, "os_error", None) or error  # aiohttp's own text names an object's address, never the same
    text = str(cause) or type(cause).__name__
    return " ".join(text.split())[:_MESSAGE_LIMIT]


def _chain(error: BaseException) -> Iterator[BaseException]:
    todo, seen = [error], set[int]()
    while todo:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        wrapped = (getattr(current, name, None) for name in ("os_error", "certificate_error"))
        causes = (current.__cause__, current.__context__, *wrapped)
        todo.extend(cause for cause in causes if isinstance(cause, BaseException))


def _is_tls_alert(error: BaseException) -> bool:
    # With TLS 1.3 a server refuses our certificate after the handshake; the alert surfaces as a plain OSError.
    return isinstance(error, OSError) and "alert" in str(error).lower()
