import pytest

from region_operator.management.commands.arguments import Arguments, parse
from region_operator.management.commands.declaration import ANYBODY, Command, Kind, Listing, Parameter, Success
from region_operator.management.commands.errors import ApiError
from region_operator.management.store.identities import Entity
from region_operator.management.store.query import Page

PARAMETERS = (
    Parameter("id", Kind.UUID, "", entity=Entity.USER),
    Parameter("name", Kind.STRING, "", length=5),
    Parameter("level", Kind.INTEGER, ""),
    Parameter("type", Kind.SHORT, ""),
    Parameter("listall", Kind.BOOLEAN, ""),
    Parameter("later", Kind.MAP, "", unsupported=True),
)
LIST = Command("listThings", "", ANYBODY, PARAMETERS, Listing("thing", ()), lambda call: {})
MAKE = Command(
    "makeThing", "", ANYBODY, (Parameter("name", Kind.STRING, "", required=True),), Success(), lambda call: {}
)


def parsed(command: Command = LIST, **given: str) -> Arguments:
    return parse(command, given, lambda entity, uuid: 42 if (entity, uuid) == (Entity.USER, "known") else None)


def refusal(command: Command = LIST, **given: str) -> str:
    with pytest.raises(ApiError) as caught:
        parsed(command, **given)
    assert caught.value.code == 431
    return caught.value.text


def test_values_get_the_declared_types() -> None:
    arguments = parsed(id="known", name="abc", level="-3", listall="True")
    assert arguments.number("id") == 42
    assert arguments.text("name") == "abc"
    assert arguments.number("level") == -3
    assert arguments.flag("listall")


def test_what_is_not_given_is_none_or_the_default() -> None:
    arguments = parsed()
    assert arguments.optional_text("name") is None
    assert arguments.optional_number("id") is None
    assert not arguments.flag("listall")
    assert arguments.optional_flag("listall") is None


def test_an_empty_text_is_a_value_but_an_empty_number_is_none() -> None:
    arguments = parsed(name="", level="", listall="")
    assert arguments.optional_text("name") == ""
    assert arguments.optional_number("level") is None
    assert arguments.optional_flag("listall") is None


def test_an_undeclared_parameter_is_ignored_and_cannot_be_read() -> None:
    with pytest.raises(KeyError):
        parsed(unknown="x").text("unknown")


def test_a_parameter_that_comes_later_is_refused_rather_than_ignored() -> None:
    assert "later is not supported" in refusal(later="x")


def test_a_missing_parameter_is_named() -> None:
    assert refusal(MAKE) == "Unable to execute API command makething due to missing parameter name"


def test_a_uuid_that_names_nothing_is_refused_in_cloudstacks_words() -> None:
    assert refusal(id="nobody") == (
        "Unable to execute API command listthings due to invalid value. Invalid parameter id value=nobody due to "
        "incorrect long value format, or entity does not exist or due to incorrect parameter annotation for the field "
        "in api cmd class."
    )


def test_a_text_that_is_too_long_is_refused() -> None:
    assert refusal(name="abcdef") == "Value greater than max allowed length 5 for param: name"


@pytest.mark.parametrize("text", ["x", "1.5", "--1", "1_0", "²", "٣", "2147483648", "-2147483649", "1e2", "0x1"])
def test_a_text_that_is_no_number_in_range_is_refused(text: str) -> None:
    assert refusal(level=text) == (
        f"Unable to execute API command listthings due to invalid value {text} for parameter level"
    )


def test_shorts_are_narrower_than_integers() -> None:
    assert parsed(level="32768").number("level") == 32768
    assert "invalid value 32768" in refusal(type="32768")


def test_a_flag_is_true_or_false() -> None:
    assert parsed(listall="FALSE").optional_flag("listall") is False
    assert "invalid value yes" in refusal(listall="yes")


def test_the_default_page_is_the_first_five_hundred() -> None:
    assert parsed().page == Page(0, 500)
    assert parsed(page="3", pagesize="20").page == Page(40, 20)
    assert parsed(pagesize="-1").page == Page(0, None)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"page": "1"}, '"pagesize" parameter is required when "page" is specified'),
        ({"pagesize": "5"}, '"page" parameter is required when "pagesize" is specified'),
        ({"page": "1", "pagesize": "501"}, "Page size can't exceed max allowed page size value: 500"),
        ({"page": "1", "pagesize": "-1"}, "Can't specify page parameter when pagesize is -1 (Unlimited)"),
        (
            {"page": "0", "pagesize": "5"},
            "Unable to execute API command listthings due to invalid value 0 for parameter page",
        ),
        (
            {"page": "1", "pagesize": "0"},
            "Unable to execute API command listthings due to invalid value 0 for parameter pagesize",
        ),
    ],
)
def test_a_page_that_cannot_be_is_refused(given: dict[str, str], text: str) -> None:
    assert refusal(**given) == text
