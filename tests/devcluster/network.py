"""Links between clusters, and cuts between Pods: as an ocean cable, and as what happens to ocean cables.

A cut is silence: packets are dropped inside the nodes' own network namespaces, established connections included.
What is cut are endpoints, not addresses: while a cut is there its addresses are looked up again every second, so it
holds for Pods that are started anew (which may speak for that second).
"""

import fcntl
import ipaddress
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, Protocol

Direction = Literal["both", "forward", "backward"]
DIRECTIONS: tuple[Direction, ...] = ("both", "forward", "backward")
TABLE = "inet devcluster"


class Node(Protocol):
    """What links and cuts need of a cluster; devcluster's and kind's both have it."""

    name: str
    directory: Path
    node_address: str
    pods: str
    masquerades: bool  # what its Pods send to other clusters comes from the node's address

    def kubectl(self, *arguments: str | Path, stdin: str = "") -> str: ...
    def in_node(self, *command: str, stdin: str = "") -> str: ...
    def other(self, name: str) -> "Node": ...


def cut(cluster: Node, first: str, second: str, *, direction: Direction = "both") -> None:
    """Drop everything from ``first`` to ``second`` (forward), back, or both, until :func:`heal`.

    An endpoint is ``namespace/pod``, ``namespace/label=value,…``, an address or a range; ``cluster:`` before it means
    an endpoint of that linked cluster, and then the cut is made in both clusters.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction {direction!r} is none of {', '.join(DIRECTIONS)}")
    ends = [_in_full(cluster, end) for end in (first, second)]
    pairs = {"forward": [ends], "backward": [ends[::-1]], "both": [ends, ends[::-1]]}[direction]
    for node in _parties(cluster, ends):
        _change(node, lambda cuts: [*cuts, *(pair for pair in pairs if pair not in cuts)])


def heal(cluster: Node, first: str = "", second: str = "") -> None:
    """Undo the cuts between two endpoints, or all cuts that this cluster has a part in."""
    ends = {_in_full(cluster, end) for end in (first, second) if end}
    parties = _parties(cluster, ends or {end for pair in _cuts(cluster) for end in pair})
    for node in parties:
        _change(node, lambda cuts: [pair for pair in cuts if ends and set(pair) != ends])


def refresh(cluster: Node) -> None:
    """Look up the addresses of cut endpoints again; nothing to do without cuts."""
    if _cuts(cluster):
        _change(cluster, lambda cuts: cuts)


def _in_full(cluster: Node, endpoint: str) -> str:
    return endpoint if ":" in endpoint else f"{cluster.name}:{endpoint}"


def _parties(cluster: Node, ends: Iterable[str]) -> list[Node]:
    """Each cluster that a cut is made in: between two, translated addresses are seen through only by the receiver's."""
    names = {end.split(":")[0] for end in ends} - {cluster.name}
    return [cluster, *map(cluster.other, sorted(names))]


def _cuts(cluster: Node) -> list[list[str]]:
    file = cluster.directory / "cuts.json"
    return json.loads(file.read_text()) if file.exists() else []


def _change(cluster: Node, change: Callable[[list[list[str]]], list[list[str]]]) -> None:
    with (cluster.directory / "cuts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cuts = change(_cuts(cluster))
        addresses = {end: _addresses(cluster, end) for end in sorted({end for pair in cuts for end in pair})}
        cluster.in_node("nft", "-f", "-", stdin=_ruleset(cuts, addresses))
        (cluster.directory / "cuts.json").write_text(json.dumps(cuts))


def _ruleset(cuts: list[list[str]], addresses: dict[str, str]) -> str:
    """An nftables script that replaces our table in one step.

    Hook prerouting after address translation (so Services are seen through) covers what Pods send, output what the node
    sends.
    """
    rules = [
        f"ip saddr {{ {addresses[source]} }} ip daddr {{ {addresses[target]} }} drop"
        for source, target in cuts
        if addresses[source] and addresses[target]
    ]
    lines = [f"table {TABLE}", f"delete table {TABLE}", f"table {TABLE} {{"]
    for hook in ("prerouting", "output"):
        lines += [f"chain {hook} {{", f"type filter hook {hook} priority -10", *rules, "}"]
    return "\n".join([*lines, "}", ""])


def _addresses(cluster: Node, endpoint: str) -> str:
    name, _, what = endpoint.partition(":")
    namespace, _, pod = what.partition("/")
    if not pod or pod.isdigit():
        return str(ipaddress.ip_network(what))
    select = f"--selector={pod}" if "=" in pod else f"--field-selector=metadata.name={pod}"
    owner = cluster if name == cluster.name else cluster.other(name)
    found = owner.kubectl("get", "pods", "-n", namespace, select, "-o", "jsonpath={.items[*].status.podIP}")
    node = [owner.node_address] if owner is not cluster and owner.masquerades else []
    return ", ".join([*found.split(), *node])
