from region_operator.management.store.query import Conditions, Scope, containing, escaped


def conditions(scope: Scope) -> Conditions:
    made = Conditions()
    made.add_scope(scope, account_column="a.id", path_column="d.path")
    return made


def test_everything_is_seen_by_default() -> None:
    assert (conditions(Scope()).sql, conditions(Scope()).values) == ("TRUE", ())


def test_a_scope_narrows_by_account_and_by_domain() -> None:
    assert conditions(Scope(account_id=7)).values == (7,)
    assert conditions(Scope(domain_path="/a/")).sql == "TRUE AND d.path = %s"
    assert conditions(Scope(domain_path="/a_b/", recursive=True)).values == ("/a\\_b/%",)


def test_wildcards_in_values_mean_themselves() -> None:
    assert escaped("50%_\\") == "50\\%\\_\\\\"
    assert containing("a%") == "%a\\%%"


def test_only_given_values_become_conditions() -> None:
    made = Conditions()
    made.add_given("x = %s", None)
    made.add_given("y = %s", 0)
    made.add_given("z = %s", "")
    assert (made.sql, made.values) == ("TRUE AND y = %s AND z = %s", (0, ""))
