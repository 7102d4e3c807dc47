"""CloudStack's request signature, computed by who calls and compared by who serves.

All parameters but ``signature``, sorted by name as sent, joined as ``name=urlencoded value`` with ``&``, the whole text
lower-cased, HMAC-SHA1 under the secret key, base64. Version 3 adds the parameter ``expires``.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

SIGNATURE: Final = "signature"
EXPIRES_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%z"


def sign(parameters: Mapping[str, str], secret_key: str) -> str:
    """The value of the parameter ``signature`` for a request with these parameters."""
    return _digest(_canonical(parameters), secret_key)


def is_signed(parameters: Mapping[str, str], secret_key: str, signature: str) -> bool:
    """Whether ``signature`` was made over these parameters with this secret, compared in constant time."""
    # Java's encoder writes %7E where other clients leave ~ as it is: both are accepted.
    text = _canonical(parameters)
    as_sent = signature.encode()
    plain = hmac.compare_digest(_digest(text, secret_key).encode(), as_sent)
    java = hmac.compare_digest(_digest(text.replace("~", "%7e"), secret_key).encode(), as_sent)
    return plain or java


def expires(moment: datetime) -> str:
    """The value of the parameter ``expires``."""
    return moment.astimezone(UTC).strftime(EXPIRES_FORMAT)


def _canonical(parameters: Mapping[str, str]) -> str:
    pairs = sorted((name, value) for name, value in parameters.items() if name.lower() != SIGNATURE)
    return "&".join(f"{name}={quote(value, safe='*')}" for name, value in pairs).lower()


def _digest(text: str, secret_key: str) -> str:
    return base64.b64encode(hmac.new(secret_key.encode(), text.encode(), hashlib.sha1).digest()).decode("ascii")
