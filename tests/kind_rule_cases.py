"""Bad manifests for the rules of the expression language: on one object, and on an object and what it was before."""

from itertools import combinations
from typing import Any

from kind_cases import (
    CRON_POLICY,
    EXPOSE,
    EXTERNAL_REGION,
    MANAGED_REGION,
    PEERING,
    POLICY,
    REMOVED,
    Bad,
    changed,
    manifest,
)
from region_operator.api.scan_policy import GAUGES

MANAGED = manifest("Region", "managed", MANAGED_REGION)
EXTERNAL = manifest("Region", "external", EXTERNAL_REGION)
PEERED = manifest("RegionPeering", "full", PEERING)
FULL_POLICY = manifest("SyncPolicy", "full", POLICY)
HERE = changed(MANAGED, ("spec", "placement"), REMOVED)
EXACTLY_ONE = "exactly one of managed and external is required"
AT_MOST_ONE = "at most one of managed and external is allowed"
HOST = "host is required with type NodePort or Hostname"
NAME = "metadata.name must be at most 40 characters"
PRIORITY = "conflicts.regionPriority is required when entities use rule RegionPriority"


def _bad(good: dict[str, Any], path: str, value: Any, says: str) -> Bad:
    return Bad(f"{path} {says} {value!s:.60}", changed(good, tuple(path.split(".")), value), says)


def _settings(settings: dict[str, str], says: str) -> Bad:
    return _bad(HERE, "spec.database.managed.settings", settings, says)


BAD_STATES = [
    *(_bad(HERE, "metadata.name", name, NAME) for name in ("a" * 41, "1st", "eu.west")),
    _bad(HERE, "spec.database", {}, EXACTLY_ONE),
    _bad(HERE, "spec.database.external", EXTERNAL_REGION["database"]["external"], EXACTLY_ONE),
    _bad(HERE, "spec.managementServer.external", EXTERNAL_REGION["managementServer"]["external"], AT_MOST_ONE),
    _bad(EXTERNAL, "spec.agent.managed", {}, AT_MOST_ONE),
    _bad(HERE, "spec.agent", EXTERNAL_REGION["agent"], "agent.external requires database.external"),
    _bad(HERE, "spec.agent.managed.expose", {"type": "NodePort"}, HOST),
    _bad(HERE, "spec.agent.managed.expose", {"type": "Hostname", "host": ""}, "spec.agent.managed.expose.host"),
    _bad(HERE, "spec.managementServer.managed.expose", {"type": "Hostname"}, HOST),
    _bad(MANAGED, "spec.agent", {}, "agent.managed.expose.type may not be ClusterIP in another cluster"),
    _bad(MANAGED, "spec.agent.managed.expose", EXPOSE | {"type": "ClusterIP"}, "agent.managed.expose.type"),
    _settings({"Innodb": "1"}, "settings: a name must be"),
    _settings({"a\n[mysqld]\nplugin_load": "evil"}, "settings: a name must be"),
    _settings({"a" * 65: "1"}, "settings: a name must be"),
    *(
        _settings({name: "x"}, "settings: variables that load code")
        for name in ("plugin_load_add", "datadir", "datad", "init_file", "secure_file_priv", "tls_version", "ssl_ca")
    ),
    *(
        _settings({name: "x"}, "settings: variables that load code")
        for name in ("loose_plugin_load", "maximum_plugin_load", "skip_grant_tables", "skip_grant", "init_connect")
    ),
    *(
        _settings({"sql_mode": value}, "settings: a value must be one line")
        for value in ("a\nplugin_load=evil", "a\rb", "a\0b")
    ),
    _bad(PEERED, "spec.regions", [{"name": "a"}, {"name": "a"}], "regions must be two different Regions"),
    _bad(FULL_POLICY, "spec.conflicts", {"rule": "RegionPriority"}, "regionPriority is required with rule"),
    _bad(FULL_POLICY, "spec.conflicts.regionPriority", [], "regionPriority is required with rule"),
    *(
        _bad(manifest("SyncPolicy", "full", {}), "spec.entities", [{"name": "user"} | entity], PRIORITY)
        for entity in ({"rule": "RegionPriority"}, {"fields": [{"name": "state", "rule": "RegionPriority"}]})
    ),
    _bad(FULL_POLICY, "spec.scan.cron", CRON_POLICY["scan"]["cron"], "at most one of intervalSeconds and cron"),
    *(
        _bad(
            FULL_POLICY,
            "spec.scan.load",
            {lower: {gauge: 2}, upper: {gauge: 1}},
            f"{gauge}: the mark of {lower} may not be above the mark of {upper}",
        )
        for gauge in GAUGES
        for lower, upper in combinations(("skip", "pause", "abort"), 2)
    ),
]

PLACED = "spec.placement"
BAD_UPDATES = [
    Bad(f"{path} {says} {value!s:.60}", changed(before, tuple(path.split(".")), value), says, before=before)
    for before, path, value, says in (
        (HERE, "spec.id", 7, "id is immutable"),
        (HERE, PLACED, {"namespace": "other"}, "placement may not be added or removed"),
        (MANAGED, PLACED, REMOVED, "placement may not be added or removed"),
        (MANAGED, f"{PLACED}.namespace", "other", "namespace is immutable"),
        (MANAGED, f"{PLACED}.namespace", REMOVED, "namespace is immutable"),
        (MANAGED, f"{PLACED}.kubeconfigSecretRef", REMOVED, "kubeconfigSecretRef may not be added or removed"),
        (HERE, "spec.database", EXTERNAL_REGION["database"], "managed and external may not be exchanged"),
        (HERE, "spec.database.managed.storage.size", "19Gi", "size may grow, never shrink"),
        (HERE, "spec.database.managed.storage.size", REMOVED, "spec.database.managed.storage.size"),
        (HERE, "spec.database.managed.storage", REMOVED, "spec.database.managed.storage"),
        (HERE, "spec.database.managed.storage.storageClassName", "slow", "storageClassName is immutable"),
        (HERE, "spec.database.managed.storage.storageClassName", REMOVED, "storageClassName is immutable"),
        (PEERED, "spec.regions", [{"name": "a"}, {"name": "b"}], "regions is immutable"),
        (PEERED, "spec.regions", PEERING["regions"][::-1], "regions is immutable"),
        (PEERED, "spec.mode", "Plan", "mode may not go back to Plan"),
    )
]
GOOD_UPDATES = [
    (HERE, "spec.database.managed.storage.size", "1Ti"),
    (MANAGED, "spec.placement.kubeconfigSecretRef.name", "other"),
    (changed(PEERED, ("spec", "mode"), "Plan"), "spec.mode", "Active"),
    (PEERED, "spec.mode", "Active"),
]
