import configparser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_operator.controller.plan.mycnf import defaults, my_cnf
from region_operator.errors import InvalidInput


def options(text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=True)
    parser.read_string(text)
    assert parser.sections() == ["mariadbd"]
    return dict(parser["mariadbd"])


KEYS = st.one_of(st.text(max_size=40), st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True))
VALUES = st.one_of(st.text(max_size=60), st.from_regex(r"[A-Za-z0-9_.,:=+/%@*-]{0,40}", fullmatch=True))


@given(st.dictionaries(KEYS, VALUES, max_size=3))
def test_whatever_is_set_it_is_refused_or_becomes_exactly_one_option(settings):
    try:
        text = my_cnf(settings)
    except InvalidInput as error:
        assert any(repr(key[:64]) in error.field for key in settings)
        return
    assert set(options(text)) == set(options(my_cnf({}))) | set(settings)
    assert all(options(text)[key] == value for key, value in settings.items())


@pytest.mark.parametrize(
    "value",
    [
        "1\ninit_file=/x",
        "1\r\n[client]",
        "a\0b",
        "x # y",
        "'a'",
        '"',
        "a\\nb",
        " padded",
        "é",
        "x" * 257,
        "`id`",
        "$(id)",
    ],
)
def test_a_value_that_could_mean_more_than_itself_is_refused(value):
    with pytest.raises(InvalidInput, match="max_connections"):
        my_cnf({"max_connections": value})


@pytest.mark.parametrize(
    "key",
    [
        "plugin_load_add", "plugin_maturity", "init_file", "init_fil", "init_connect", "datadir", "datadi", "ssl_key",
        "ssl", "tls_version", "secure_file_priv", "loose_init_file", "skip_grant_tables", "loose_skip_grant_tables",
        "disable_ssl", "skip_ssl", "require_secure_transport", "socket", "user", "log_error", "skip_networking",
        "loose_plugin_load", "maximum_port", "wsrep_provider", "general_log_file", "local_infile", "loose_",
    ],
)  # fmt: skip
def test_a_setting_that_breaks_the_isolation_is_refused_in_every_disguise(key):
    with pytest.raises(InvalidInput) as refused:
        my_cnf({key: "1"})
    assert refused.value.reason == "SettingDenied"
    assert key in refused.value.field


@pytest.mark.parametrize("key", ["", "A", "max-connections", "1a", "a b", "a=b", "a\nb", "!include", "[mysqld]", "é"])
def test_a_key_that_is_no_name_is_refused(key):
    with pytest.raises(InvalidInput):
        my_cnf({key: "1"})


@pytest.mark.parametrize(
    "key", [*defaults(), "general_log", "slow_query_log", "log_bin", "innodb_io_capacity", "sql_mode"]
)
def test_tuning_is_free(key):
    assert options(my_cnf({key: "7"}))[key] == "7"


@pytest.mark.parametrize(
    ("memory", "pool"), [(None, "256M"), ("4Gi", "2048M"), ("1G", "476M"), ("64Mi", "128M"), ("1.5Gi", "768M")]
)
def test_half_of_the_memory_becomes_the_buffer_pool(memory, pool):
    assert options(my_cnf({}, memory=memory))["innodb_buffer_pool_size"] == pool


def test_what_is_acknowledged_survives_a_crash_by_default():
    assert options(my_cnf({}))["innodb_flush_log_at_trx_commit"] == "1"
