"""``python -m devcluster up|down|status|kubeconfig|load-image|exec|cut|heal|link NAME…`` (see README.md)."""

import argparse
import os
import sys

from devcluster import cluster, images, network, preload, sources
from devcluster.cluster import Cluster
from devcluster.toolchain import Unavailable


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        globals()[f"_{options.command.replace('-', '_')}"](options)
    except (Unavailable, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devcluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, *, nargs: str | None = None) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("name", help="name of the cluster", nargs=nargs, default="")
        return sub

    command("up", "start a cluster, or say that it runs")
    command("down", "end a cluster and remove every trace of it")
    command("status", "what runs", nargs="?")
    show = command("kubeconfig", "print the path of the cluster's kubeconfig")
    show.add_argument("--peer", action="store_true", help="one that Pods of this and of linked clusters can use")
    load = command("load-image", "make images usable by Pods; without references: build and load this repository's")
    load.add_argument("refs", nargs="*", metavar="REF")
    commands.add_parser("image", help="print the reference of the operator's image of the present source")
    inside = commands.add_parser("exec", help="run a program of this machine as if in a Pod of KUBECONFIG's cluster")
    inside.add_argument("program", nargs=argparse.REMAINDER, metavar="-- PROGRAM")
    link = command("link", "join two clusters by a virtual WAN")
    link.add_argument("other")
    link.add_argument("--megabits", type=int, default=0, help="bandwidth in each direction (default: unlimited)")
    ends = "[CLUSTER:]NAMESPACE/POD, [CLUSTER:]NAMESPACE/LABEL=VALUE, or an address or range"
    cut = command("cut", "drop what two endpoints send each other; silence, not refusal")
    cut.add_argument("first", help=ends)
    cut.add_argument("second", help=ends)
    cut.add_argument(
        "--direction", choices=network.DIRECTIONS, default="both", help="forward: from the first to the second"
    )
    heal = command("heal", "undo cuts: between two endpoints, or all")
    heal.add_argument("first", nargs="?", default="", help=ends)
    heal.add_argument("second", nargs="?", default="", help=ends)
    return parser


def _up(options: argparse.Namespace) -> None:
    up = Cluster.up(options.name)
    print(f"cluster {up.name} is ready: export KUBECONFIG={up.kubeconfig}")


def _down(options: argparse.Namespace) -> None:
    print(f"cluster {options.name} {'is gone' if cluster.down(options.name) else 'was not there'}")


def _status(options: argparse.Namespace) -> None:
    for layout in cluster.status():
        if options.name in ("", layout.name):
            print(f"{layout.name}: node {layout.node_address}, Pods {layout.pods}, KUBECONFIG={layout.kubeconfig}")


def _kubeconfig(options: argparse.Namespace) -> None:
    found = Cluster.find(options.name)
    print(found.peer_kubeconfig if options.peer else found.kubeconfig)


def _load_image(options: argparse.Namespace) -> None:
    refs = options.refs or list(preload.build())
    Cluster.find(options.name).load(*refs)
    print("\n".join(refs))


def _exec(options: argparse.Namespace) -> None:
    """A cluster that is none of ours is what it is: then the program runs from here."""
    program = [word for word in options.program if word != "--"]
    found = sources.given()
    if isinstance(found, Cluster):
        os.environ["KUBECONFIG"] = str(found.peer_kubeconfig)
        program = [*found.beside_pods(), *program]
    os.execvp(program[0], program)


def _image(options: argparse.Namespace) -> None:
    print(images.references().operator)


def _link(options: argparse.Namespace) -> None:
    Cluster.find(options.name).link(Cluster.find(options.other), megabits=options.megabits)


def _cut(options: argparse.Namespace) -> None:
    network.cut(Cluster.find(options.name), options.first, options.second, direction=options.direction)


def _heal(options: argparse.Namespace) -> None:
    network.heal(Cluster.find(options.name), options.first, options.second)


if __name__ == "__main__":
    sys.exit(main())
