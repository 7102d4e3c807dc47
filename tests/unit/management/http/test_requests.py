from urllib.parse import urlencode

import pytest

from region_operator.management.commands.errors import WrongRequest
from region_operator.management.http.requests import Request, read_parameters


def test_the_query_string_wins_over_the_form() -> None:
    assert read_parameters("a=1&b=2", b"b=3&c=4") == {"a": "1", "b": "2", "c": "4"}


def test_the_first_value_of_a_repeated_parameter_counts() -> None:
    assert read_parameters("a=1&a=2", b"a=3") == {"a": "1"}


def test_values_are_decoded_as_utf8_and_empty_ones_kept() -> None:
    assert read_parameters("n=%C3%89+x%2B&e=", urlencode({"f": "ü&="}).encode()) == {"n": "É x+", "e": "", "f": "ü&="}


def test_bytes_that_are_no_utf8_do_not_fail_the_request() -> None:
    assert read_parameters("a=%ff", b"b=\xff") == {"a": "\ufffd", "b": "\ufffd"}


def test_more_parameters_than_any_client_sends_are_refused() -> None:
    with pytest.raises(WrongRequest):
        read_parameters("&".join(f"p{number}=1" for number in range(1001)), b"")


def test_names_are_looked_up_without_case_and_kept_as_sent() -> None:
    request = Request("GET", {"apiKey": "k", "listAll": "true"})
    assert request.parameters == {"apikey": "k", "listall": "true"}
    assert list(request.sent) == ["apiKey", "listAll"]


def test_no_parameter_shows_in_a_representation() -> None:
    assert "hidden" not in repr(Request("POST", {"password": "hidden"}, session_id="hidden", session_key="hidden"))
