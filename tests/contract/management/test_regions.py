import pytest
from cs import CloudStackApiException

from contract.management.conftest import Replica

OWN = {
    "id": 3,
    "name": "eu-west",
    "endpoint": "http://eu-west/client/",
    "gslbserviceenabled": True,
    "portableipserviceenabled": False,
}


def refusal(call, **arguments: object) -> dict:
    with pytest.raises(CloudStackApiException) as caught:
        call(**arguments)
    assert caught.value.response.status_code == caught.value.error["errorcode"]
    return caught.value.error


def test_a_fresh_region_knows_itself(cloud: Replica) -> None:
    assert cloud.system.listRegions() == {"count": 1, "region": [OWN]}


def test_regions_are_added_changed_and_removed(cloud: Replica) -> None:
    api = cloud.system
    added = api.addRegion(id=7, name="us-east", endpoint="http://us/client/")["region"]
    assert added == {**OWN, "id": 7, "name": "us-east", "endpoint": "http://us/client/"}
    assert api.updateRegion(id=7, endpoint="us.example:8080/client")["region"]["endpoint"] == "us.example:8080/client"
    assert api.updateRegion(id=7, name="us-west")["region"]["name"] == "us-west"
    assert [region["id"] for region in api.listRegions()["region"]] == [3, 7]
    assert api.removeRegion(id=7) == {"success": True}
    assert [region["id"] for region in api.listRegions()["region"]] == [3]


def test_a_region_is_found_by_id_or_by_name_and_an_unknown_one_is_an_empty_answer(cloud: Replica) -> None:
    api = cloud.system
    assert api.listRegions(id=3)["region"] == [OWN]
    assert api.listRegions(name="eu-west")["count"] == 1
    assert api.listRegions(id=3, name="other")["count"] == 1  # the id wins
    assert api.listRegions(keyword="EU")["count"] == 1
    assert api.listRegions(id=99) == {}
    assert api.listRegions(name="eu") == {}


def test_refusals_are_in_cloudstacks_words(cloud: Replica) -> None:
    api = cloud.system
    taken = refusal(api.addRegion, id=3, name="x", endpoint="e")
    assert taken == {
        "uuidList": [],
        "errorcode": 431,
        "cserrorcode": 4350,
        "errortext": "Region with id: 3 already exists",
    }
    text = refusal(api.addRegion, id=4, name="eu-west", endpoint="e")["errortext"]
    assert text == "Region with name: eu-west already exists"
    api.addRegion(id=4, name="b", endpoint="e")
    text = refusal(api.updateRegion, id=4, name="eu-west")["errortext"]
    assert text == "Region with name: eu-west already exists"
    assert refusal(api.updateRegion, id=9, name="z")["errortext"] == "Region with id: 9 does not exist"
    assert refusal(api.removeRegion, id=9)["errortext"] == "Failed to delete Region: 9, Region not found"


@pytest.mark.parametrize("id_", ["0", "-1", "4294967296", "1e3", "x", "", "1.0"])
def test_an_id_that_is_no_number_from_one_is_refused(cloud: Replica, id_: str) -> None:
    assert refusal(cloud.system.addRegion, id=id_, name="n", endpoint="e")["errorcode"] == 431


def test_a_missing_or_overlong_parameter_is_named(cloud: Replica) -> None:
    missing = refusal(cloud.system.addRegion, id=5, name="n")
    assert missing["errortext"] == "Unable to execute API command addregion due to missing parameter endpoint"
    assert missing["cserrorcode"] == 9999
    too_long = refusal(cloud.system.addRegion, id=5, name="n" * 256, endpoint="e")
    assert too_long["errortext"] == "Value greater than max allowed length 255 for param: name"


def test_listings_are_paged_and_a_page_past_the_end_is_empty(cloud: Replica) -> None:
    api = cloud.system
    for number in range(10, 14):
        api.addRegion(id=number, name=f"r{number}", endpoint="e")
    second = api.listRegions(page=2, pagesize=2)
    assert second["count"] == 5
    assert [region["id"] for region in second["region"]] == [10 + 1, 10 + 2]
    assert api.listRegions(page=4, pagesize=2) == {}
    assert len(api.listRegions(fetch_list=True)) == 5
    assert len(api.listRegions(pagesize=-1)["region"]) == 5
