"""``region-operator {run | agent [prepare | uncapture] | manager | crds}``: starts one program, nothing else."""

import argparse
import importlib
import signal
import sys

# Imported on demand: an agent Pod never loads kopf, an operator Pod never loads a database driver.
PROGRAMS = {
    "run": "region_operator.controller.handlers.program",
    "agent": "region_operator.replication.agent.program",
    "prepare": "region_operator.replication.agent.prepare",
    "uncapture": "region_operator.replication.agent.uncapture",
    "manager": "region_operator.management.http.program",
    "crds": "region_operator.api.crds",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the program that ``arguments`` names; returns its exit status."""
    parser = argparse.ArgumentParser(prog="region-operator", description="Many clouds, one identity.")
    programs = parser.add_subparsers(dest="program", required=True)
    programs.add_parser("run", help="the operator")
    agent = programs.add_parser("agent", help="the agent of a region")
    agent.add_argument(
        "step",
        nargs="?",
        choices=["prepare", "uncapture"],
        help="prepare: make schema, users, triggers and seed rows; uncapture: take the triggers off; then exit",
    )
    programs.add_parser("manager", help="a management server of a region")
    crds = programs.add_parser("crds", help="write the CustomResourceDefinitions")
    crds.add_argument("directory", nargs="+", help="where to write them, one file per kind")
    options = parser.parse_args(arguments)
    # The first process of a container is deaf to SIGTERM until it asks for it, and imports take seconds.
    signal.signal(signal.SIGTERM, _end)
    name = options.step if options.program == "agent" and options.step else options.program
    program = importlib.import_module(PROGRAMS[name])
    return int(program.main(options) or 0)


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
