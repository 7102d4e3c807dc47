from datetime import datetime, timedelta, timezone

from region_operator.api.signature import expires, is_signed, sign

# Made with the PyPI client cs 5.2.0.
VECTOR = {
    "apiKey": "APIKEY",
    "command": "createUser",
    "response": "json",
    "username": "Jane Doe",
    "account": "admin*x",
    "email": "a+b@ex.com",
    "firstname": "É",
    "lastname": "O'Neil",
    "password": "p@ss/w=1",
}
SIGNATURE = "tLotpoFA+Djm6pcSeEkHMD1KzTI="


def test_the_signature_is_the_one_that_real_clients_send() -> None:
    assert sign(VECTOR, "SECRET") == SIGNATURE
    assert is_signed(VECTOR, "SECRET", SIGNATURE)


def test_the_signature_parameter_itself_is_not_signed() -> None:
    assert sign({**VECTOR, "signature": "anything"}, "SECRET") == SIGNATURE


def test_any_changed_parameter_or_secret_breaks_the_signature() -> None:
    assert not is_signed({**VECTOR, "password": "p@ss/w=2"}, "SECRET", SIGNATURE)
    assert not is_signed({**VECTOR, "page": "1"}, "SECRET", SIGNATURE)
    assert not is_signed(VECTOR, "SECRET2", SIGNATURE)


def test_a_tilde_may_be_escaped_as_java_does_or_left_as_others_do() -> None:
    assert is_signed({"a": "x~y"}, "s", sign({"a": "x~y"}, "s"))
    # HMAC-SHA1 of "a=x%7ey" under "s", which no client that leaves ~ alone can produce from these parameters
    assert is_signed({"a": "x~y"}, "s", "QvUZoodgok4W87Y25sXUepNTcPc=")


def test_a_signature_that_is_not_ascii_is_wrong_rather_than_an_error() -> None:
    assert not is_signed(VECTOR, "SECRET", "é")


def test_expiry_is_written_in_utc() -> None:
    moment = datetime(2026, 11, 22, 3, 47, 2, tzinfo=timezone(timedelta(hours=2)))
    assert expires(moment) == "2026-11-22T01:47:02+0000"
