"""Typical Regions, as users write them, for the tests of planning."""

from typing import Any

from region_operator.api.region import Region

FULL: dict[str, Any] = {
    "id": 2,
    "database": {
        "managed": {
            "image": "registry.example/mariadb:10.11.14",
            "storage": {"size": "20Gi", "storageClassName": "fast"},
            "settings": {"innodb_buffer_pool_size": "4G", "max_connections": "900"},
            "resources": {"requests": {"cpu": "1", "memory": "4Gi"}},
            "scheduling": {
                "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "db", "operator": "Exists"}],
                "priorityClassName": "high",
            },
            "disruption": "Block",
        }
    },
    "managementServer": {
        "managed": {
            "replicas": 3,
            "tlsSecretRef": {"name": "web-tls"},
            "expose": {"type": "Hostname", "host": "us.cloud.example", "port": 443},
            "scheduling": {
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
                ]
            },
        },
    },
    "agent": {"managed": {"expose": {"type": "LoadBalancer", "annotations": {"lb.example/kind": "internal"}}}},
}
EXTERNAL_DATABASE: dict[str, Any] = {
    "host": "db.example.net",
    "credentialsSecretRef": {"name": "agent-user"},
    "adminCredentialsSecretRef": {"name": "admin-user"},
    "tls": {"caSecretRef": {"name": "database-ca"}},
}
EXTERNAL_SERVER: dict[str, Any] = {
    "url": "https://cloud.example/client/api",
    "credentialsSecretRef": {"name": "api"},
}
MANAGED: dict[str, Any] = {"managed": {"storage": {"size": "8Gi"}}}

SPECS: dict[str, dict[str, Any]] = {
    "minimal": {"id": 1, "database": MANAGED},
    "full": FULL,
    "other-namespace": {
        "id": 3,
        "placement": {"namespace": "placed"},
        "database": MANAGED,
        "agent": {"managed": {"expose": {"type": "NodePort", "host": "192.0.2.7", "nodePort": 31443}}},
        "networkPolicies": "None",
    },
    "other-cluster": {
        "id": 4,
        "placement": {"namespace": "placed", "kubeconfigSecretRef": {"name": "far"}},
        "database": MANAGED,
        "agent": {"managed": {"expose": {"type": "Hostname", "host": "agent.far.example", "port": 9443}}},
    },
    "external-database": {"id": 5, "database": {"external": EXTERNAL_DATABASE}},
    "external-server": {"id": 6, "database": MANAGED, "managementServer": {"external": EXTERNAL_SERVER}},
    "no-admin": {
        "id": 7,
        "database": {"external": {k: v for k, v in EXTERNAL_DATABASE.items() if k != "adminCredentialsSecretRef"}},
    },
    "all-external": {
        "id": 8,
        "database": {"external": {**EXTERNAL_DATABASE, "tls": {"mode": "Disabled"}}},
        "managementServer": {"external": EXTERNAL_SERVER},
        "agent": {"external": {"url": "https://10.0.0.9:8443", "tlsSecretRef": {"name": "agent-client"}}},
    },
}


def region(name: str = "minimal", *, spec: dict[str, Any] | None = None, **metadata: Any) -> Region:
    """The Region ``name`` of SPECS, or one with ``spec``."""
    meta = {"name": name, "namespace": "clouds", "uid": f"uid-{name}", "generation": 1, **metadata}
    return Region.parse({"metadata": meta, "spec": spec or SPECS[name]})
