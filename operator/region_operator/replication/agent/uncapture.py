"""``region-operator agent uncapture``: takes our triggers off the cloud's tables, then exits.

For an upgrade of the cloud that changes synced tables: a trigger that speaks of a column that is gone stops every
writer. ``agent prepare`` puts the triggers back; both are run with the database's admin.
"""

import argparse
import contextlib

from region_operator import json_logs
from region_operator.replication.agent import prepare
from region_operator.replication.agent.database_address import address_of
from region_operator.replication.store import install, preparing
from region_operator.replication.store.connections import connect
from region_operator.settings import DatabaseSettings, from_environment


def main(_: argparse.Namespace) -> int:
    json_logs.configure(program="uncapture")
    return prepare.ended("uncapture", lambda: run(from_environment(DatabaseSettings)), done="Uncaptured")


def run(database: DatabaseSettings) -> str:
    """Take the triggers off, unless prepare is at work; return one sentence about it."""
    admin = address_of(database)
    with contextlib.closing(connect(admin)) as session:
        preparing.alone(session)
        install.uninstall(admin, drop_schema=False)
    return "triggers are off, nothing that is written is captured until prepare is run again"
