"""Regions for which nothing runs in the cluster: their agents are the load generator ``bench.agents``."""

import json
from collections.abc import Iterator, Sequence
from itertools import count

from bench.agents import NAME
from bench.operator_load import FIRST_PORT
from devcluster import toolchain
from devcluster.cluster import Cluster
from region_operator import naming

FLEET = "load"
READY = r'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}'


def credentials(cluster: Cluster) -> None:
    """The Secrets that all of them name; nobody opens a database with them."""
    for name, keys in (("load-database", ("username", "password")), ("load-management", ("apiKey", "secretKey"))):
        literals = [f"--from-literal={key}=load" for key in keys]
        cluster.kubectl("-n", FLEET, "create", "secret", "generic", name, *literals)


def create(cluster: Cluster, wanted: Sequence[dict[str, object]]) -> None:
    cluster.kubectl("create", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": wanted}))


def all_ready(cluster: Cluster) -> bool:
    said = cluster.kubectl("-n", FLEET, "get", "regions,regionpeerings", "-o", READY).split("\n")[:-1]
    ready = sum(item == "True" for item in said)
    if ready < len(said):
        raise toolchain.Unavailable(f"{ready} of {len(said)} Regions and RegionPeerings are Ready")
    return True


def external_region(cluster: Cluster, number: int) -> dict[str, object]:
    external = {
        "database": {
            "external": {
                "host": "database.load.invalid",
                "credentialsSecretRef": {"name": "load-database"},
                "tls": {"mode": "Disabled"},
            }
        },
        "managementServer": {
            "external": {
                "url": f"https://cloud-{number}.load.invalid/client/api",
                "credentialsSecretRef": {"name": "load-management"},
            }
        },
        "agent": {
            "external": {
                "url": f"https://{cluster.node_address}:{FIRST_PORT + number}",
                "tlsSecretRef": {"name": naming.OPERATOR_CLIENT_SECRET},
            }
        },
    }
    return declared("Region", FLEET, NAME.format(number), {"id": number, **external})


def external_peerings(regions: int) -> Iterator[dict[str, object]]:
    """Each Region with the next one, then each with the one after that, and so on."""
    for distance in count(1):
        for first in range(1, regions + 1):
            names = [NAME.format(first), NAME.format((first + distance - 1) % regions + 1)]
            yield declared("RegionPeering", FLEET, "-".join(names), {"regions": [{"name": name} for name in names]})


def declared(kind: str, namespace: str, name: str, spec: dict[str, object]) -> dict[str, object]:
    meta = {"namespace": namespace, "name": name}
    return {"apiVersion": naming.API_VERSION, "kind": kind, "metadata": meta, "spec": spec}
