"""Fingerprints of database keys."""

from pathlib import Path

import pytest

from region_operator.replication.agent.database_key import fingerprint, fingerprint_of_file


@pytest.mark.rule("OPERATOR 10")
def test_equal_keys_have_equal_fingerprints_and_others_do_not(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"secret\n")
    assert fingerprint_of_file(tmp_path / "key") == fingerprint(b"secret") != fingerprint(b"other")
    assert "secret" not in fingerprint(b"secret")


def test_no_key_has_no_fingerprint(tmp_path: Path) -> None:
    assert fingerprint_of_file(tmp_path / "missing") == ""
