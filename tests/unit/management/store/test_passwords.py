import base64
import hashlib

import pytest

from region_operator.management.store.passwords import hash_password, verify_password


def test_a_new_hash_is_in_cloudstacks_pbkdf2_format() -> None:
    stored = hash_password("päss", random_bytes=lambda count: b"s" * count)
    salt, key, iterations = stored.split(":")
    assert (base64.b64decode(salt), iterations) == (b"s" * 64, "100000")
    assert base64.b64decode(key) == hashlib.pbkdf2_hmac("sha1", "päss".encode(), b"s" * 64, 100_000, 64)
    assert len(stored) <= 255  # of the column


def test_a_new_hash_verifies_only_its_password_and_is_salted() -> None:
    stored = hash_password("right")
    assert verify_password("right", stored)
    assert not verify_password("wrong", stored)
    assert hash_password("right") != stored


def test_hashes_of_older_clouds_verify() -> None:
    salt = b"0" * 32
    digest = hashlib.sha256(b"secret" + salt).digest()
    salted = f"{base64.b64encode(salt).decode()}:{base64.b64encode(digest).decode()}"
    assert verify_password("secret", salted)
    assert not verify_password("Secret", salted)
    assert verify_password("secret", "5ebe2294ecd0e0f08eab7690d2a6ee69")
    assert not verify_password("Secret", "5ebe2294ecd0e0f08eab7690d2a6ee69")


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "plain",
        ":",
        "::",
        "a:b:c",
        "a:b",
        "YQ==:YQ==:0",
        "YQ==:YQ==:-5",
        "YQ==:YQ==:99999999999",
        "a:b:c:d",
        "YQ==::1",
    ],
)
@pytest.mark.parametrize("password", ["", "plain"])
def test_a_text_in_no_known_format_never_verifies(stored: str, password: str) -> None:
    assert not verify_password(password, stored)
