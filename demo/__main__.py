"""The story of ``make demo``; ``KEEP=1`` leaves everything running at the end."""

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from clouds import FLEET, TABLES, Kubectl, Region, region
from demo.narrator import Narrator, Patience
from devcluster import images, network, toolchain
from devcluster.cluster import Cluster, status

REPOSITORY = Path(__file__).parents[1]
EXAMPLE = REPOSITORY / "examples/01-two-regions"
CLUSTER = "demo"
PEERING, POLICY = "eu-west-us-east", "default"
WEST, EAST = "eu-west", "us-east"


def main() -> int:
    tell = Narrator()
    keep = os.environ.get("KEEP", "") not in ("", "0")
    print("region-operator: two regions, one identity. All of it is real: Kubernetes, containers, MariaDB, TLS.")
    try:
        cluster, built = _cluster(tell)
        kubectl = Kubectl(str(cluster.kubeconfig))
        _operator(tell, kubectl, built.operator)
        _regions(tell, kubectl)
        with ExitStack() as stack:
            west, east = (stack.enter_context(region(kubectl, name)) for name in (WEST, EAST))
            _account(tell, west, east)
            _partition(tell, cluster, west, east)
            _healing(tell, cluster, west, east)
    except (Patience, toolchain.Unavailable) as problem:
        print(
            f"\nThe demo stopped: {problem}\nThe cluster is left running: make dev-down NAME={CLUSTER}", file=sys.stderr
        )
        return 1
    if keep:
        _look_around(cluster)
    else:
        tell.chapter("Taking it down")
        cluster.down()
        tell.fact("no process, mount or file is left; `make demo KEEP=1` leaves it running to look around")
    print(f"\nThe whole story took {tell.elapsed_s():.0f} s.")
    return 0


def _cluster(tell: Narrator) -> tuple[Cluster, images.Images]:
    tell.chapter("A Kubernetes cluster, and the image from this repository's Dockerfile")
    if any(living.name == CLUSTER for living in status()):
        raise toolchain.Unavailable("an earlier one still runs, and a story is told from its beginning")
    cluster = Cluster.up(CLUSTER)
    built = images.build()
    cluster.load(*built)
    tell.fact(f"cluster {CLUSTER} is ready and has {built.operator}")
    return cluster, built


def _operator(tell: Narrator, kubectl: Kubectl, image: str) -> None:
    tell.chapter("The operator, installed from its chart")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": FLEET}}
    kubectl("apply", "-f", "-", stdin=json.dumps(namespace))
    repository, _, tag = image.rpartition(":")
    settings = {"image.repository": repository, "image.tag": tag, "placement.namespaces": f"{{{FLEET}}}"}
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = ["upgrade", "--install", "region-operator", str(REPOSITORY / "charts/region-operator")]
    where = ["--namespace", "region-operator", "--create-namespace", "--kubeconfig", kubectl.kubeconfig]
    toolchain.run(toolchain.helm(), *command, *where, *sets, "--wait", "--timeout", "120s")
    tell.fact("helm install region-operator charts/region-operator: its Pod is ready")


def _regions(tell: Narrator, kubectl: Kubectl) -> None:
    tell.chapter("kubectl apply -f examples/01-two-regions/")
    kubectl("apply", "-f", str(EXAMPLE))
    seen: dict[str, str] = {}

    def all_ready() -> bool:
        items = kubectl.get("regions.region-operator.io,regionpeerings.region-operator.io")["items"]
        states = {}
        for item in items:
            conditions = {c["type"]: c for c in (item.get("status") or {}).get("conditions") or ()}
            ready = conditions.get("Ready", {})
            states[item["metadata"]["name"]] = ready.get("status", "")
            told = f"Ready={ready.get('status')} {ready.get('reason')}" if ready else ""
            if told and seen.get(item["metadata"]["name"]) != told:
                seen[item["metadata"]["name"]] = told
                tell.fact(f"{item['kind']} {item['metadata']['name']}: {told}")
        return len(states) == 3 and set(states.values()) == {"True"}

    _, took_s = tell.until("both Regions and the RegionPeering being Ready", all_ready, timeout_s=300, every_s=0.3)
    tell.fact(f"two databases, two management servers, two agents, wired both ways: {took_s:.1f} s after apply")
    tell.show("$ kubectl get rg,rgp\n" + kubectl("-n", FLEET, "get", "rg,rgp"))


def _account(tell: Narrator, west: Region, east: Region) -> None:
    tell.chapter("An account made in one region is in the other")
    domain = west.api.createDomain(name="engineering")["domain"]
    person = {
        "username": "ada",
        "password": "correct horse",
        "firstname": "Ada",
        "lastname": "King",
        "email": "ada@example.net",
    }
    west.api.createAccount(account="ada", accounttype=0, domainid=domain["id"], **person)
    found, took_s = tell.until("user ada being in us-east", lambda: east.user("ada"), timeout_s=20, every_s=0.005)
    tell.fact(f"createAccount in {WEST}; listUsers in {EAST} finds her {took_s * 1000:.0f} ms later, with the same id")
    tell.show(f"{found['username']}  {found['id']}  {found['domain']}  {found['email']}")
    east.api.updateUser(id=found["id"], email="ada@analytical.example")
    _, took_s = tell.until(
        "the new address being in eu-west",
        lambda: (west.user("ada") or {}).get("email") == "ada@analytical.example",
        timeout_s=20,
        every_s=0.005,
    )
    tell.fact(f"updateUser in {EAST}; {WEST} shows it {took_s * 1000:.0f} ms later: both regions take writes")


def _agents() -> tuple[str, str]:
    label = f"{FLEET}/app.kubernetes.io/component=agent,region-operator.io/region-name="
    return label + WEST, label + EAST


def _partition(tell: Narrator, cluster: Cluster, west: Region, east: Region) -> None:
    kubectl = west.kubectl
    tell.chapter("The ocean cable is cut")
    network.cut(cluster, *_agents())
    tell.fact("packets between the two agents are dropped from now on: silence, in both directions")
    ada = west.user("ada") or {}
    west.api.updateUser(id=ada["id"], firstname="Augusta", lastname="Byron")
    east.api.updateUser(id=ada["id"], email="countess@lovelace.example", lastname="Lovelace")
    west.api.createAccount(account="grace", accounttype=0, **_person("grace"))
    east.api.createAccount(account="alan", accounttype=0, **_person("alan"))
    tell.fact("both regions go on: grace is created in eu-west, alan in us-east")
    tell.fact("and the same user is changed in both: first name here, e-mail there, last name in both")

    def partitioned() -> dict[str, str] | None:
        found = kubectl.conditions("rgp", PEERING).get("Partitioned", {})
        return found if found.get("status") == "True" else None

    condition, took_s = tell.until("Partitioned=True", partitioned, timeout_s=60)
    wanted_s = kubectl.get("syncpolicy", POLICY)["spec"]["partition"]["detectAfterSeconds"]
    tell.fact(f"Partitioned=True, reason {condition['reason']}, {took_s:.1f} s later (detectAfterSeconds: {wanted_s})")
    tell.show("$ kubectl get rgp -o wide\n" + kubectl("-n", FLEET, "get", "rgp", "-o", "wide"))


def _person(name: str) -> dict[str, str]:
    return {
        "username": name,
        "password": "x" * 12,
        "firstname": name,
        "lastname": "Example",
        "email": f"{name}@example.net",
    }


def _healing(tell: Narrator, cluster: Cluster, west: Region, east: Region) -> None:
    kubectl = west.kubectl
    tell.chapter("The cable is mended")
    network.heal(cluster, *_agents())

    def converged() -> bool:
        return all(west.rows(table) == east.rows(table) for table in TABLES)

    _, took_s = tell.until("both databases being equal", converged, timeout_s=60)
    counts = ", ".join(f"{len(west.rows(table))} {table}s" for table in TABLES)
    tell.fact(f"both databases are equal row by row {took_s:.1f} s later: {counts}")
    merged = west.user("ada") or {}
    tell.fact(
        "different fields were merged, the same field was settled by rule HighestVersion, the same in both regions:"
    )
    tell.show(f"firstname={merged['firstname']}  lastname={merged['lastname']}  email={merged['email']}")
    query = "SELECT entity, field, rule, state, JSON_EXTRACT(record, '$.values') FROM conflict WHERE kind = 'Value'"
    tell.fact("and the value that lost is kept, with who wrote it:")
    tell.show("\n".join(west.sql(query, schema="region_sync")))

    def clean() -> bool:
        found = kubectl.get("rgp", PEERING)["status"]
        told = {item["type"]: item["status"] for item in found["conditions"]}
        waiting = {(way.get("lag"), way.get("pendingChanges")) for way in found["directions"]}
        return (told["Partitioned"], told["InSync"]) == ("False", "True") and waiting == {("<1s", "0")}

    tell.until("Partitioned=False, InSync=True and no lag", clean, timeout_s=60)
    tell.fact("Partitioned=False, InSync=True; lag below a second and nothing pending, in both directions")
    tell.show("$ kubectl get rg,rgp\n" + kubectl("-n", FLEET, "get", "rg,rgp"))


def _look_around(cluster: Cluster) -> None:
    print(f"""
Everything is left running. To look around:
  export KUBECONFIG={cluster.kubeconfig}
  kubectl -n {FLEET} get rg,rgp,syncp -o wide
  kubectl -n {FLEET} describe rgp {PEERING}
  kubectl -n {FLEET} port-forward service/{WEST}-management 8080    # then: cs listRegions, with keys of its admin
  kubectl -n {FLEET} get secret {WEST}-admin -o jsonpath='{{.data.password}}' | base64 -d
  make dev-down NAME={CLUSTER}""")


if __name__ == "__main__":
    sys.exit(main())
