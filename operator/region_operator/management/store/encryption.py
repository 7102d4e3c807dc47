"""Keeps API secret keys unreadable in the database and its backups: AES-256-GCM under the cloud's database key.

All regions of a cloud share the database key, so a stored value may be copied between regions as it is.
The AES key is derived from the database key by HKDF-SHA256. CloudStack's own format (jasypt, PBEWithMD5AndDES) is not
read and not written: it is unauthenticated and its cipher is broken. Such a value is refused with a remedy.
"""

import base64
import binascii
import os
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from region_operator.errors import InvalidInput

_MARK: Final = "gcm1:"
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"region-operator user.secret_key v1"
MAX_SECRET_BYTES: Final = 150
"""The longest secret whose encrypted form fits the column, varchar(255)."""


class SecretKeyCipher:
    """Encrypts and decrypts values of ``user.secret_key``."""

    def __init__(self, database_key: bytes, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        """Derive the AES key from the content of the database key's file; white space around it does not count."""
        material = database_key.strip()
        if not material:
            raise InvalidInput(
                field="database key", problem="it is empty", remedy="put a random text under key `key` of its Secret"
            )
        self._cipher = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(material))
        self._random_bytes = random_bytes

    def encrypt(self, secret: str) -> str:
        """The text to store; differs at each call, so equal secrets do not show.

        Raises:
            InvalidInput: the secret is longer than the column allows.
        """
        if len(secret.encode()) > MAX_SECRET_BYTES:
            raise InvalidInput(
                field="secret key", problem="it is too long", remedy=f"use at most {MAX_SECRET_BYTES} bytes"
            )
        nonce = self._random_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), None)
        return _MARK + base64.b64encode(nonce + sealed).decode("ascii")

    def decrypt(self, stored: str) -> str:
        """The secret.

        Raises:
            InvalidInput: the value was not written under this database key, or by a real CloudStack.
        """
        if not stored.startswith(_MARK):
            raise InvalidInput(
                field="user.secret_key",
                problem="the stored value is not in this server's format",
                remedy="register new keys for the user with registerUserKeys",
            )
        try:
            sealed = base64.b64decode(stored[len(_MARK) :], validate=True)
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None).decode()
        except (InvalidTag, ValueError, binascii.Error):
            raise InvalidInput(
                field="user.secret_key",
                problem="the stored value was encrypted under another database key",
                remedy="give all regions of the cloud the same database key, or register new keys for the user",
            ) from None
