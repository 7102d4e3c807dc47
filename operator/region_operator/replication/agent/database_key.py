"""Compares database keys without showing them: two regions must share the key that encrypts stored secrets."""

import hashlib
import hmac
from pathlib import Path

FINGERPRINT_TEXT = b"region-operator: fingerprint of the database key"


def fingerprint(key: bytes) -> str:
    """Return HMAC-SHA256(key, fixed text); the same key gives the same fingerprint in every region."""
    return hmac.new(key, FINGERPRINT_TEXT, hashlib.sha256).hexdigest()


def fingerprint_of_file(path: Path) -> str:
    """Return the fingerprint of a mounted key, "" where there is none: then no data flows."""
    try:
        key = path.read_bytes().strip()
    except OSError:
        return ""
    return fingerprint(key) if key else ""
