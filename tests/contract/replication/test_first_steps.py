from contract.replication.regions import Region, pull, settle


def test_an_account_created_in_one_region_appears_in_the_other(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_domain("sales")
    here.add_account("acme", domain="sales")
    here.add_user("jane", account="acme", api_key="k")
    pull(there, here)
    assert there.value("user", "jane", "email") == "jane@example"
    assert there.value("domain", "sales", "path") == "/sales/"
    settle(here, there)
    assert here.content() == there.content()
    assert here.states() == there.states()
