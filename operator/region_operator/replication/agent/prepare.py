"""``region-operator agent prepare``: makes a region's database what its programs expect, then exits.

The only program that is given the database's admin. Every step may be repeated, also beside a running agent and
management server: a run that died half-way is finished by the next one.

Exit status: 0 done; 1 the database did not answer in time, or a defect (a retry may help); 2 something must be edited
first. The last line on standard output, and the termination message of the Pod, say which and why, without secrets.
"""

import argparse
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from region_operator import json_logs
from region_operator.errors import InvalidInput, Refused, Unavailable
from region_operator.management.store import connection as business
from region_operator.management.store import schema as business_schema
from region_operator.replication.agent.database_address import address_of, credentials
from region_operator.replication.store import install, preparing, users
from region_operator.replication.store.connections import Address, Session, connect
from region_operator.settings import DatabaseSettings, PrepareSettings, from_environment

log = logging.getLogger(__name__)

DONE, FAILED, EDIT_NEEDED = 0, 1, 2
TERMINATION_LOG = Path("/dev/termination-log")
MESSAGE_LIMIT = 1024  # Kubernetes keeps 4096 bytes
WAIT_FOR_LOGIN_S = 15.0  # a first start sets the admin's password shortly after the port opens
LOOK_INTERVAL_S = 0.5


def main(_: argparse.Namespace) -> int:
    json_logs.configure(program="prepare")
    return ended(
        "prepare", lambda: run(from_environment(PrepareSettings), from_environment(DatabaseSettings)), done="Prepared"
    )


def ended(program: str, work: Callable[[], str], *, done: str) -> int:
    """Do the work of a Job and say how it ended; returns the exit status."""
    status = EDIT_NEEDED
    try:
        status, reason, message = DONE, done, work()
    except (InvalidInput, Refused) as error:
        reason, message = error.reason, str(error)
    except Unavailable as error:
        status, reason, message = FAILED, error.reason, str(error)
    except Exception as error:
        log.exception("defect")
        told = f"{type(error).__name__}; the log of the Pod has the traceback"
        status, reason, message = FAILED, "Defect", told
    line = " ".join(f"{reason}: {message}".split())[:MESSAGE_LIMIT]
    with contextlib.suppress(OSError):
        if TERMINATION_LOG.exists():
            TERMINATION_LOG.write_text(line)
    print(f"{program}: {line}", flush=True)  # noqa: T201 - what a person sees in the log of the Job
    return status


def run(settings: PrepareSettings, database: DatabaseSettings) -> str:
    """Prepare the database; return one sentence about what was done."""
    admin = address_of(database)
    with contextlib.closing(awaited(lambda: connect(admin), within_s=settings.database_wait_seconds)) as session:
        preparing.alone(session)
        preparing.check_region(session, sync_schema=admin.sync_schema, region_id=settings.region_id)
        if settings.business_schema == "Create":
            _make_business_schema(settings, database)
        installed = install.install(admin, region_id=settings.region_id, mint=lambda: secrets.randbits(63))
        agent = _set_user(session, settings.agent_credentials_directory, admin=admin)
        users.grant(session, users.agent_grants(installed.layout, name=agent))
        names = [agent]
        if settings.manager_credentials_directory is not None:
            manager = _set_user(session, settings.manager_credentials_directory, admin=admin)
            users.grant(session, users.manager_grants(installed.layout, name=manager))
            names.append(manager)
        retired = [name for name in names if settings.retire_other_users and users.retire(session, name=name)]
    first = "installed" if installed.previous_version is None else "checked"
    for finding in installed.findings:
        log.warning("%s: %s", finding.entity, finding.message, extra={"reason": finding.reason})
    held = [finding.entity for finding in installed.findings if finding.held_back]
    left_out = f", held back: {', '.join(held)} (the log says why)" if held else ""
    locked = f", {len(retired)} former users locked" if retired else ""
    return (
        f"region_sync {first}, {installed.genesis_rows} rows given a first version, users {names} set{locked}{left_out}"
    )


def awaited(
    open_session: Callable[[], Session],
    *,
    within_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Session:
    """Open a session as soon as the database is there; raises the last Unavailable when it does not come.

    One that is there and does not let us in is given ``WAIT_FOR_LOGIN_S`` from its first no.
    """
    began = clock()
    first_no: float | None = None
    while True:
        try:
            return open_session()
        except Unavailable as error:
            says_no = error.reason in ("AuthFailed", "TLSFailed")
            if not says_no:
                first_no = None
            elif first_no is None:
                first_no = clock()
            if clock() - (began if first_no is None else first_no) >= (WAIT_FOR_LOGIN_S if says_no else within_s):
                raise
            log.info("waiting for the database: %s", error)
            sleep(LOOK_INTERVAL_S)


def _make_business_schema(settings: PrepareSettings, database: DatabaseSettings) -> None:
    facts = _seed(settings, database)
    # Our schema need not be there yet, so the session starts in one that always is.
    with contextlib.closing(business.connect(database.model_copy(update={"name": "information_schema"}))) as opened:
        business_schema.create(opened, database=database.name)
        opened.commit()
        business_schema.seed(opened, database=database.name, facts=facts)


def _seed(settings: PrepareSettings, database: DatabaseSettings) -> business_schema.Seed:
    admin = _required(settings.admin_credentials_directory, "PREPARE_ADMIN_CREDENTIALS_DIRECTORY")
    api = _required(settings.management_api_directory, "PREPARE_MANAGEMENT_API_DIRECTORY")
    username, password = credentials(admin)
    api_key, secret_key = credentials(api, names=("apiKey", "secretKey"))
    return business_schema.Seed(
        region_id=settings.region_id,
        region_name=settings.region_name,
        endpoint=settings.management_endpoint,
        admin_username=username,
        admin_password=password,
        api_key=api_key,
        secret_key=secret_key,
        database_key=_database_key(database.key_file),
    )


def _database_key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            field=str(path),
            problem=f"cannot be read ({error.strerror})",
            remedy="mount the fleet's database key",
            reason="DatabaseKeyMissing",
        ) from error


def _required(directory: Path | None, variable: str) -> Path:
    if directory is None:
        raise InvalidInput(
            field=variable, problem="is not set", remedy="set it, or PREPARE_BUSINESS_SCHEMA=Expect for a cloud's own"
        )
    return directory


def _set_user(session: Session, directory: Path, *, admin: Address) -> str:
    name, password = credentials(directory)
    if name == admin.user:
        raise InvalidInput(
            field=str(directory / "username"),
            problem=f"{name!r} is the database's admin",
            remedy="give agent and management server users of their own",
        )
    users.create_user(session, name=name, password=password)
    return name
