import ssl

import aiohttp
import pytest

from region_operator.errors import Conflict, InvalidInput, Refused, Unavailable
from region_operator.kubernetes import answers
from region_operator.kubernetes.addresses import AddressRefused
from region_operator.kubernetes.answers import Expired, NotFound

pytestmark = pytest.mark.rule("OPERATOR 15")


def status(code, message="said", **details):
    return answers.refusal(code, {"kind": "Status", "message": message, "details": details}, "GET /x")


@pytest.mark.parametrize(
    ("code", "reason"),
    [(401, "AuthFailed"), (403, "Forbidden"), (429, "TooManyRequests"), (500, "ServerError"), (503, "ServerError"),
     (404, "KindNotServed"), (302, "UnexpectedAnswer"), (415, "UnexpectedAnswer")],
)  # fmt: skip
def test_an_answer_that_settles_nothing_is_unavailable(code, reason):
    error = status(code)
    assert isinstance(error, Unavailable)
    assert error.reason == reason
    assert "said" in str(error)


def test_an_absent_object_is_told_from_an_absent_kind():
    assert isinstance(status(404, name="settings", kind="configmaps"), NotFound)


def test_conflicts_and_expired_versions_have_errors_of_their_own():
    assert isinstance(status(409), Conflict)
    assert isinstance(status(410), Expired)


def test_a_rejected_value_names_its_field():
    error = status(422, causes=[{"field": "spec.replicas", "message": "must be positive"}])
    assert isinstance(error, InvalidInput)
    assert (error.field, error.problem) == ("spec.replicas", "must be positive")
    assert status(413).field == "manifest"


def test_a_terminating_namespace_is_a_refusal():
    error = status(403, causes=[{"reason": "NamespaceTerminating"}])
    assert isinstance(error, Refused)
    assert error.reason == "NamespaceTerminating"


def test_bodies_that_are_not_a_status_are_never_quoted_and_messages_are_short():
    secret = answers.refusal(500, {"kind": "Secret", "message": "hunter2"}, "GET /x")
    assert "hunter2" not in str(secret)
    assert len(str(status(500, message="x" * 5000))) < 400


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff", b'"text"'])
def test_an_answer_that_is_no_object_is_unexpected(body):
    with pytest.raises(Unavailable) as error:
        answers.parse(200, body, "GET /x")
    assert error.value.reason == "UnexpectedAnswer"


def connector_error(os_error):
    return aiohttp.ClientConnectorError(None, os_error)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "ProbeTimeout"),
        (aiohttp.SocketTimeoutError(), "ProbeTimeout"),
        (ssl.SSLError(), "TLSFailed"),
        (ConnectionResetError("reset"), "ConnectionRefused"),
        (aiohttp.ServerDisconnectedError(), "ConnectionRefused"),
        (ValueError("not JSON"), "UnexpectedAnswer"),
    ],
)
def test_a_call_without_an_answer_says_why(error, reason):
    assert answers.failure(error, "GET /x").reason == reason


def test_a_refused_address_comes_through_whoever_wrapped_it():
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = AddressRefused("127.0.0.1")
    assert answers.failure(wrapped, "GET /x").reason == "KubeconfigRefused"
