"""Password hashes in CloudStack's formats, so that a hash can be copied between regions and from a real CloudStack.

PBKDF2      base64(64-byte salt):base64(64-byte key):iterations   HMAC-SHA1; the only format written
SHA256SALT  base64(salt):base64(sha256(password + salt))
MD5         32 hexadecimal digits
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Callable
from typing import Final

_ITERATIONS: Final = 100_000
_MAX_ITERATIONS: Final = 1_000_000  # a hash copied from elsewhere must not be able to occupy a worker for minutes
_BYTES: Final = 64
_MD5 = re.compile(r"[0-9a-fA-F]{32}\Z")


def hash_password(password: str, *, random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """The PBKDF2 text to store; takes some tens of milliseconds on purpose."""
    salt = random_bytes(_BYTES)
    key = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, _ITERATIONS, _BYTES)
    return f"{_text(salt)}:{_text(key)}:{_ITERATIONS}"


def verify_password(password: str, stored: str) -> bool:
    """Whether ``password`` is the one that ``stored`` was made from; False for a text in no known format."""
    try:
        match stored.split(":"):
            case [salt, key, iterations] if 0 < int(iterations) <= _MAX_ITERATIONS:
                expected = _bytes(key)
                actual = hashlib.pbkdf2_hmac("sha1", password.encode(), _bytes(salt), int(iterations), len(expected))
            case [salt, digest]:
                expected = _bytes(digest)
                actual = hashlib.sha256(password.encode() + _bytes(salt)).digest()
            case [digest] if _MD5.match(digest):
                expected = bytes.fromhex(digest)
                actual = hashlib.md5(password.encode(), usedforsecurity=False).digest()
            case _:
                return False
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(actual, expected)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
