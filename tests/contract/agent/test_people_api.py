"""What people ask of a running agent about conflicts and parked rows, over real TLS."""

import aiohttp
import pytest

from contract.agent.certificates import FLEET_UID, Authority
from contract.agent.regions import Operator, Pair, Region, eventually
from region_operator import mutual_tls, naming

WHY = {"by": "ann", "reason": "looked at it"}


async def ask(
    region: Region, identity: mutual_tls.Identity, path: str, body: dict | str | None = None
) -> tuple[int, dict]:
    context = mutual_tls.client_context(identity)
    name = naming.agent_server_name(region.id, FLEET_UID)
    url = f"https://127.0.0.1:{region.port}{path}"
    method, form = ("GET", {}) if body is None else ("POST", {"data" if isinstance(body, str) else "json": body})
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, ssl=context, server_hostname=name, **form) as response,
    ):
        return response.status, await response.json()


async def as_operator(pair: Pair, path: str, body: dict | str | None = None) -> tuple[int, dict]:
    return await ask(pair.one, pair.operator.identity, path, body)


async def conflict_about(pair: Pair, uuid: str, *, column: str = "name") -> dict:
    """Make both regions change one column of one domain while they cannot see each other."""
    pair.one.database.add_domain(uuid, uuid)
    await pair.in_sync()
    await eventually(lambda: pair.two.database.domain(uuid))
    await pair.peer("Suspended")
    for region, name in ((pair.one, "one"), (pair.two, "two")):
        region.database.run(f"UPDATE domain SET {column} = %s WHERE uuid = %s", f"{uuid}-{name}", uuid)
    await pair.peer()

    async def recorded() -> dict | None:
        _, page = await as_operator(pair, "/v1/conflicts?state=All&limit=1000")
        return next((c for c in page["conflicts"] if c["row"]["key"] == uuid), None)

    return await eventually(recorded)


@pytest.mark.asyncio(loop_scope="module")
async def test_conflicts_are_listed_shown_and_decided_with_a_name_and_a_reason(pair: Pair) -> None:
    found = await conflict_about(pair, "d-resolve", column="network_domain")
    assert (found["field"], found["rule"], found["state"]) == ("network_domain", "HighestVersion", "Settled")
    assert {value["value"] for value in found["values"]} == {"d-resolve-one", "d-resolve-two"}
    assert (await as_operator(pair, f"/v1/conflicts/{found['id']}"))[1] == found
    path = f"/v1/conflicts/{found['id']}/resolve"
    assert (await as_operator(pair, path, WHY)) == (200, {"rows": 1})

    async def closed() -> bool:
        return (await as_operator(pair, f"/v1/conflicts/{found['id']}"))[1]["state"] == "Closed"

    await eventually(closed)
    status, answer = await as_operator(pair, path, WHY)
    assert (status, answer["reason"]) == (409, "ConflictClosed")
    audit = f"`{pair.one.database.schemas.sync}`.audit"
    audited = pair.one.database.run(f"SELECT action, decided_by, reason FROM {audit}")
    assert ("Resolve", "ann", "looked at it") in audited


@pytest.mark.asyncio(loop_scope="module")
async def test_a_losing_value_comes_back_in_both_regions(pair: Pair) -> None:
    found = await conflict_about(pair, "d-restore", column="network_domain")
    loser = next(value for value in found["values"] if value["dot"] != found["chosen"])
    path = f"/v1/conflicts/{found['id']}/restore"
    assert (await as_operator(pair, path, {**WHY, "dot": loser["dot"]}))[0] == 200
    for region in (pair.one, pair.two):
        await eventually(lambda region=region: region.database.domain("d-restore")[2] == loser["value"])
    status, answer = await as_operator(pair, path, {**WHY, "dot": "1@nobody"})
    assert (status, answer["reason"]) in ((409, "ConflictClosed"), (422, "InvalidInput"))


@pytest.mark.asyncio(loop_scope="module")
async def test_bad_questions_get_an_answer_that_names_what_is_wrong(pair: Pair) -> None:
    for path, body, status, named in (
        ("/v1/conflicts?state=Maybe", None, 422, "state"),
        ("/v1/conflicts?limit=-1", None, 422, "limit"),
        ("/v1/conflicts?before=x", None, 422, "before"),
        ("/v1/conflicts/999999999", None, 404, "there is no conflict"),
        ("/v1/conflicts/abc", None, 404, "no number"),
        ("/v1/parked?after=%25%25", None, 422, "after"),
        ("/v1/parked?state=Lost", None, 422, "state"),
        ("/v1/conflicts/1/resolve", {"by": "ann"}, 422, "reason"),
        ("/v1/conflicts/1/resolve", {"by": " ", "reason": "x"}, 422, "by"),
        ("/v1/conflicts/1/resolve", "not json", 422, "body"),
        ("/v1/parked/skip", {**WHY, "rows": []}, 422, "rows"),
        ("/v1/parked/skip", {**WHY, "rows": [{"entity": "user", "key": "nobody"}]}, 404, "not parked"),
        ("/v1/parked/retry", {**WHY, "rows": [{"entity": "user", "key": "nobody"}]}, 404, "not parked"),
    ):
        found, answer = await as_operator(pair, path, body)
        assert (found, named in answer["message"]) == (status, True), (path, answer)


@pytest.mark.asyncio(loop_scope="module")
async def test_parked_rows_are_listed_page_by_page(pair: Pair) -> None:
    status, page = await as_operator(pair, "/v1/parked")
    assert (status, page) == (200, {"rows": [], "next": None})


@pytest.mark.rule("OPERATOR 17")
async def test_a_regions_certificate_may_decide_nothing(
    authority: Authority, region: Region, operator: Operator
) -> None:
    await eventually(lambda: operator.status(region))
    for path, body in (
        ("/v1/conflicts", None),
        ("/v1/parked", None),
        ("/v1/parked/skip", {}),
        ("/v1/history/confirm", {}),
    ):
        status, answer = await ask(region, authority.agent(2), path, body)
        assert (status, answer["reason"]) == (403, "RoleNotAllowed")
