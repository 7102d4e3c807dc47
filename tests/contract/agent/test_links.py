"""Links between agents over real TLS; the regions themselves are in memory."""

import pytest

from contract.agent.certificates import Authority, mount
from contract.agent.regions import Operator, Region, eventually, link_to

MANY = 500


async def broken(operator: Operator, region: Region, uid: str):
    link = await operator.link(region, uid)
    return link if link is not None and link.state == "Broken" else None


async def streams(operator: Operator, region: Region, uid: str) -> bool:
    link = await operator.link(region, uid)
    return link is not None and link.state == "Streaming"


@pytest.mark.rule("DESIGN 2")
async def test_broken_links_do_not_touch_the_one_that_works(operator: Operator, make_region) -> None:
    one, two, away, silent = [await make_region(number) for number in (1, 2, 3, 4)]
    await one.start()
    await two.start()
    stranger = Authority("stranger")
    mount(stranger.agent(4).trusting([one.authority.pem]), silent.directory / "tls")
    await silent.start()
    links = [link_to(two, uid="works"), link_to(away, uid="away"), link_to(silent, uid="stranger")]
    await operator.configure(one, one.document(*links))
    await operator.configure(two, two.document(link_to(one, uid="works")))
    await eventually(lambda: streams(operator, one, "works"))
    assert (await eventually(lambda: broken(operator, one, "away"))).reason == "ConnectionRefused"
    assert (await eventually(lambda: broken(operator, one, "stranger"))).reason == "TLSFailed"
    for number in range(5):
        two.memory.add_domain(f"d{number}")
        await eventually(lambda: one.memory.has("domain", f"d{number}"))  # noqa: B023


async def test_a_defect_in_one_link_is_shown_and_leaves_the_other_alone(operator: Operator, make_region) -> None:
    one, two, three = [await make_region(number) for number in (1, 2, 3)]
    for region in (one, two, three):
        await region.start()
    await operator.configure(one, one.document(link_to(two, uid="a"), link_to(three, uid="b")))
    await operator.configure(two, two.document(link_to(one, uid="a")))
    await operator.configure(three, three.document(link_to(one, uid="b")))
    await eventually(lambda: streams(operator, one, "a"))
    await eventually(lambda: streams(operator, one, "b"))
    one.memory.fails_from[2] = ValueError("a defect")
    two.memory.add_domain("bad")
    assert (await eventually(lambda: broken(operator, one, "a"))).reason == "ApplyFailed"
    three.memory.add_domain("good")
    await eventually(lambda: one.memory.has("domain", "good"))
    assert (await operator.link(one, "b")).state == "Streaming"
    del one.memory.fails_from[2]
    await eventually(lambda: one.memory.has("domain", "bad"))


async def test_a_peer_that_knows_nothing_of_the_peering_refuses(operator: Operator, make_region) -> None:
    one, two = await make_region(1), await make_region(2)
    await one.start()
    await two.start()
    await operator.configure(one, one.document(link_to(two)))
    await eventually(lambda: operator.status(two))

    async def refused():
        link = await broken(operator, one, link_to(two).peering_uid)
        return link if link and link.reason == "AuthFailed" else None

    assert "no peering" in (await eventually(refused)).message


async def test_a_leaf_that_is_not_the_pinned_one_is_refused(operator: Operator, make_region) -> None:
    one, two = await make_region(1), await make_region(2)
    await one.start()
    await two.start()
    link = link_to(two)
    pinned = link.model_copy(update={"peer": link.peer.model_copy(update={"certificate_fingerprint": "sha256:00"})})
    await operator.configure(two, two.document(link_to(one)))
    await operator.configure(one, one.document(pinned))
    found = await eventually(lambda: broken(operator, one, link.peering_uid))
    assert (found.reason, "configured is sha256:00" in found.message) == ("TLSFailed", True)


async def test_changes_are_forwarded_to_a_third_region(operator: Operator, make_region) -> None:
    one, two, three = [await make_region(number) for number in (1, 2, 3)]
    for region in (one, two, three):
        await region.start()
    await operator.configure(one, one.document(link_to(two, uid="a")))
    await operator.configure(two, two.document(link_to(one, uid="a"), link_to(three, uid="b")))
    await operator.configure(three, three.document(link_to(two, uid="b")))
    await eventually(lambda: streams(operator, three, "b"))
    one.memory.add_domain("far")
    await eventually(lambda: three.memory.has("domain", "far"))


async def test_a_larger_page_is_compressed_and_arrives_whole(operator: Operator, make_region) -> None:
    one, two = await make_region(1), await make_region(2)
    for number in range(MANY):
        two.memory.add_domain(f"d{number}", name=f"name {number}" * 20)
    await one.start()
    await two.start()
    await operator.configure(two, two.document(link_to(one)))
    await operator.configure(one, one.document(link_to(two)))
    await eventually(lambda: one.memory.has("domain", f"d{MANY - 1}"), within_s=60)
    assert all(one.memory.has("domain", f"d{number}") for number in range(MANY))
    assert (await operator.link(one)).pending_changes is not None
