import pytest

from region_operator.errors import InvalidInput
from region_operator.management.store.encryption import MAX_SECRET_BYTES, SecretKeyCipher

CIPHER = SecretKeyCipher(b"database key")


def test_what_is_encrypted_can_be_read_again_in_every_region_with_the_same_key() -> None:
    stored = CIPHER.encrypt("sécret")
    assert SecretKeyCipher(b"database key\n").decrypt(stored) == "sécret"


def test_equal_secrets_do_not_look_equal() -> None:
    assert CIPHER.encrypt("s") != CIPHER.encrypt("s")


def test_the_longest_secret_fits_the_column() -> None:
    assert len(CIPHER.encrypt("x" * MAX_SECRET_BYTES)) <= 255
    with pytest.raises(InvalidInput, match="too long"):
        CIPHER.encrypt("é" * (MAX_SECRET_BYTES // 2 + 1))


def test_another_database_key_is_told_apart_from_damage_by_its_remedy() -> None:
    with pytest.raises(InvalidInput, match="same database key"):
        SecretKeyCipher(b"other").decrypt(CIPHER.encrypt("s"))


@pytest.mark.parametrize("stored", ["", "nC5mIkBHX7vA6zrMxVqVYg==", "gcm1:", "gcm1:!", "gcm1:AAAA"])
def test_a_value_of_another_format_is_refused_with_a_remedy(stored: str) -> None:
    with pytest.raises(InvalidInput):
        CIPHER.decrypt(stored)


def test_a_changed_value_is_noticed() -> None:
    stored = CIPHER.encrypt("secret")
    flipped = stored[:-2] + ("A" if stored[-2] != "A" else "B") + stored[-1]
    with pytest.raises(InvalidInput):
        CIPHER.decrypt(flipped)


def test_an_empty_database_key_is_refused() -> None:
    with pytest.raises(InvalidInput, match="empty"):
        SecretKeyCipher(b" \n")
