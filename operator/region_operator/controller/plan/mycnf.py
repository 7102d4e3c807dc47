"""Writes my.cnf, the only way in which a setting of a spec reaches a server: each key and value is checked first.

A value can neither end its line nor start another option, and a key can neither be one that breaks the isolation of
the Pod nor a disguise of it: mariadbd also takes ``loose_``, ``skip_`` ... before a name, and abbreviations of it.
"""

import re
from collections.abc import Mapping
from typing import Final

from region_operator.api import server_settings
from region_operator.controller.plan.quantity import quantity
from region_operator.errors import InvalidInput

DATA_DIRECTORY: Final = "/var/lib/mysql/data"
SOCKET: Final = "/run/mysqld/mysqld.sock"
TLS_DIRECTORY: Final = "/etc/region-operator/tls"
TEMPORARY_DIRECTORY: Final = "/tmp"  # noqa: S108 - an emptyDir of the Pod

_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VALUE: Final = re.compile(r"[A-Za-z0-9_.,:=+/%@*-]([A-Za-z0-9_.,:=+/%@* -]{0,254}[A-Za-z0-9_.,:=+/%@*-])?|")
_PREFIXES: Final = ("loose_", "skip_", "disable_", "enable_", "maximum_", "autoset_")

_FIXED: Final[Mapping[str, str]] = {
    "datadir": DATA_DIRECTORY,
    "socket": SOCKET,
    "pid_file": "/run/mysqld/mysqld.pid",
    "tmpdir": TEMPORARY_DIRECTORY,
    "bind_address": "*",
    "port": "3306",
    "skip_name_resolve": "ON",  # accounts are '%', and a reverse look-up would hang a connection on DNS
    "local_infile": "OFF",  # a server that may ask its clients for files is not needed: nothing here loads any
    "secure_file_priv": "/run/mysqld",  # must exist, else the server does not start; nothing but the socket is in it
    "ssl_ca": f"{TLS_DIRECTORY}/ca.crt",
    "ssl_cert": f"{TLS_DIRECTORY}/tls.crt",
    "ssl_key": f"{TLS_DIRECTORY}/tls.key",
    "tls_version": "TLSv1.2,TLSv1.3",
    "require_secure_transport": "ON",
}
# Beside what the kind refuses already: these load code, move files, or switch off what the Pod relies on.
_DENIED: Final = frozenset(_FIXED) | {
    "init_slave", "init_rpl_role", "grant_tables", "networking", "name_resolve", "chroot", "bootstrap", "debug_dbug",
    "lc_messages_dir", "character_sets_dir", "defaults_file", "defaults_extra_file", "log_error", "general_log_file",
    "slow_query_log_file", "log_basename", "innodb_data_home_dir", "innodb_log_group_home_dir", "core_file", "gdb",
    "innodb_undo_directory", "innodb_data_file_path", "aria_log_dir_path", "allow_suspicious_udfs", "slave_load_tmpdir",
    "external_locking", "report_password",
}  # fmt: skip
_DENIED_FAMILIES: Final = ("plugin_", "ssl_", "tls_", "wsrep_", "init_", "feedback")
_WHOLE_NAMES: Final = frozenset({"general_log", "slow_query_log"})  # no abbreviations, though a denied name begins so


def defaults(memory: str | None = None) -> dict[str, str]:
    """Settings that a region's database starts from; all of them may be set by the spec.

    ``memory`` is what the container may count on; half of it becomes the buffer pool (4Gi -> 2048M), at least 128M.
    """
    pool_mb = max(128, int(quantity(memory) / 2 / 2**20)) if memory else 256
    return {
        "character_set_server": "utf8mb4",
        "collation_server": "utf8mb4_unicode_ci",
        "default_storage_engine": "InnoDB",
        "transaction_isolation": "READ-COMMITTED",
        "innodb_flush_log_at_trx_commit": "1",  # what was acknowledged survives a crash of the node
        "sync_binlog": "1",
        "binlog_format": "ROW",
        "log_bin_trust_function_creators": "ON",  # capture triggers, should a binary log be switched on
        "innodb_buffer_pool_size": f"{pool_mb}M",
        "innodb_log_file_size": f"{min(1024, max(96, pool_mb // 2))}M",
        "innodb_file_per_table": "ON",
        "innodb_flush_method": "O_DIRECT",
        "innodb_lock_wait_timeout": "10",
        "max_connections": "500",
        "max_allowed_packet": "64M",
        "table_open_cache": "4000",
        "thread_cache_size": "64",
        "slow_query_log": "OFF",
        "performance_schema": "OFF",
    }


def my_cnf(settings: Mapping[str, str], *, memory: str | None = None) -> str:
    """The file: our defaults, over them ``settings``, over all what the Pod relies on.

    Raises:
        InvalidInput: a key or value may not be used; names it.
    """
    for key, value in settings.items():
        _check(key, value)
    chosen = {**defaults(memory), **settings, **_FIXED}
    return "[mariadbd]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(chosen.items()))


def _check(key: str, value: str) -> None:
    field = f"spec.database.managed.settings[{key[:64]!r}]"
    if not _KEY.fullmatch(key):
        raise InvalidInput(field=field, problem="is no name of a server setting", remedy="use a-z, 0-9 and _ only")
    if _denied(key):
        raise InvalidInput(
            field=field,
            problem="is set by the operator or would break the isolation of the Pod",
            remedy="remove it",
            reason="SettingDenied",
        )
    if not _VALUE.fullmatch(value):
        raise InvalidInput(
            field=field,
            problem="has a value with quotes, comment signs or control characters, or longer than 256",
            remedy="use letters, digits, inner spaces and _ . , : = + / % @ * -",
        )


def _denied(key: str) -> bool:
    if server_settings.denied(key):
        return True
    name = key
    while prefix := next((prefix for prefix in _PREFIXES if name.startswith(prefix)), ""):
        if name in _DENIED:
            return True
        name = name.removeprefix(prefix)
    if name in _WHOLE_NAMES:
        return False
    return not name or name.startswith(_DENIED_FAMILIES) or any(denied.startswith(name) for denied in _DENIED)
