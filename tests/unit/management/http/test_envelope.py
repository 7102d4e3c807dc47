import json
from xml.etree import ElementTree as ET

import pytest

from region_operator.management.commands.declaration import Flat, Listing, Single, Success
from region_operator.management.commands.errors import (
    ApiError,
    BadRequest,
    InvalidParameter,
    PermissionDenied,
    Unauthorized,
    WrongRequest,
)
from region_operator.management.http.envelope import error_body, error_header, to_json, to_xml


def test_json_is_one_line_with_one_top_level_key() -> None:
    text = to_json("listregionsresponse", {"count": 1, "region": [{"name": "Zürich\n"}]}).decode()
    assert "\n" not in text
    assert json.loads(text) == {"listregionsresponse": {"count": 1, "region": [{"name": "Zürich\n"}]}}


def test_xml_repeats_the_element_of_a_list() -> None:
    document = to_xml("r", {"count": 2, "region": [{"id": 1}, {"id": 2}]}, version="0.1.0")
    assert document.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    root = ET.fromstring(document)
    assert (root.tag, root.get("cloud-stack-version")) == ("r", "0.1.0")
    assert [region.findtext("id") for region in root.findall("region")] == ["1", "2"]


def test_xml_nests_objects_and_writes_flags_in_lower_case() -> None:
    root = ET.fromstring(to_xml("r", {"user": {"ok": True, "no": False}}, version="v"))
    assert (root.findtext("user/ok"), root.findtext("user/no")) == ("true", "false")


@pytest.mark.parametrize("text", ["<b>&'\"]]>", "ünï 😀", "a\x00b\x0b\ufffe"])
def test_xml_is_well_formed_whatever_a_value_holds(text: str) -> None:
    kept = text.translate({0: None, 0x0B: None, 0xFFFE: None})
    assert ET.fromstring(to_xml("r", {"v": text}, version='<"&')).findtext("v") == kept


def test_an_empty_listing_has_neither_count_nor_key() -> None:
    listing = Listing("region", ())
    assert listing.render({"total": 0, "items": []}) == {}
    assert listing.render({"total": 7, "items": []}) == {}  # a page past the end
    assert listing.render({"total": 7, "items": [{"id": 1}]}) == {"count": 7, "region": [{"id": 1}]}


def test_each_kind_of_answer_has_its_shape() -> None:
    assert Single("user", ()).render({"id": "u"}) == {"user": {"id": "u"}}
    assert Success().render({}) == {"success": True}
    assert Flat(()).render({"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("error", "codes"),
    [
        (InvalidParameter("t"), {"errorcode": 431, "cserrorcode": 4350}),
        (WrongRequest("t"), {"errorcode": 431, "cserrorcode": 9999}),
        (PermissionDenied("t"), {"errorcode": 531, "cserrorcode": 4365}),
        (Unauthorized("t"), {"errorcode": 401}),
        (BadRequest("t"), {"errorcode": 400}),
    ],
)
def test_an_error_carries_cloudstacks_codes(error: ApiError, codes: dict[str, int]) -> None:
    assert error_body(error) == {"uuidList": [], **codes, "errortext": "t"}


def test_an_error_is_one_short_line_of_ascii_in_a_header() -> None:
    assert error_header(WrongRequest("no x\r\nSet-Cookie: ünï")) == "no x?Set-Cookie: ?n?"
    assert len(error_header(WrongRequest("x" * 10_000))) == 255
