"""Table ``async_job``: work that a client asks for now and hears of later.

A job's work and its result commit in one transaction, under a lock on the job's row. So a job is done once, whichever
replica dies: the lock goes with the connection and another replica takes the job. Jobs of one resource run in the
order they were asked for, since only the oldest pending one of each is taken.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from region_operator.management.store.connection import Transaction

PENDING, SUCCEEDED, FAILED = range(3)


@dataclass(frozen=True)
class Job:
    id: int
    uuid: str
    command: str  # CloudStack's class name
    arguments: str  # JSON
    status: int
    result_code: int
    result: str | None  # JSON
    instance_type: str | None
    instance_id: int | None
    created: datetime
    completed: datetime | None
    user_id: int
    user_uuid: str | None
    account_id: int
    account_uuid: str | None
    account_name: str | None
    domain_path: str | None


_COLUMNS = (
    "j.id, j.uuid, j.job_cmd AS command, COALESCE(j.job_cmd_info, '{}') AS arguments, j.job_status AS status, "
    "j.job_result_code AS result_code, j.job_result AS result, j.instance_type, j.instance_id, j.created, "
    "IF(j.job_status = 0, NULL, j.last_updated) AS completed, j.user_id, u.uuid AS user_uuid, "
    "j.account_id, a.uuid AS account_uuid, a.account_name, d.path AS domain_path"
)
_SOURCE = (
    "async_job j LEFT JOIN user u ON u.id = j.user_id LEFT JOIN account a ON a.id = j.account_id "
    "LEFT JOIN domain d ON d.id = a.domain_id"
)


@dataclass(frozen=True)
class NewJob:
    """What is asked for, by whom, of which resource."""

    uuid: str
    command: str
    arguments: Mapping[str, str]
    user_id: int
    account_id: int
    instance_type: str
    instance_id: int


def add(transaction: Transaction, new: NewJob) -> None:
    transaction.write(
        "INSERT INTO async_job (uuid, job_cmd, job_cmd_info, user_id, account_id, instance_type, instance_id, "
        "job_dispatcher, created, last_updated) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, 'ApiAsyncJobDispatcher', UTC_TIMESTAMP(), UTC_TIMESTAMP())",
        (
            new.uuid,
            new.command,
            json.dumps(dict(new.arguments)),
            new.user_id,
            new.account_id,
            new.instance_type,
            new.instance_id,
        ),
    )


def by_id(transaction: Transaction, job_id: int) -> Job | None:
    row = transaction.row(f"SELECT {_COLUMNS} FROM {_SOURCE} WHERE j.id = %s", (job_id,))
    return Job(**row) if row else None


def runnable(transaction: Transaction, *, limit: int) -> list[int]:
    """Ids of the oldest pending job of each resource."""
    rows = transaction.rows(
        "SELECT MIN(id) AS id FROM async_job WHERE job_status = 0 AND job_dispatcher = 'ApiAsyncJobDispatcher' "
        "GROUP BY instance_type, instance_id ORDER BY 1 LIMIT %s",
        (limit,),
    )
    return [int(row["id"]) for row in rows]


def take(transaction: Transaction, job_id: int) -> Job | None:
    """Lock the job for this transaction; None if it is done, or another replica has it."""
    locked = transaction.row(
        "SELECT id FROM async_job WHERE id = %s AND job_status = 0 FOR UPDATE SKIP LOCKED", (job_id,)
    )
    return by_id(transaction, job_id) if locked else None


def finish(transaction: Transaction, job_id: int, *, status: int, result_code: int, result: Mapping[str, Any]) -> None:
    transaction.write(
        "UPDATE async_job SET job_status = %s, job_result_code = %s, job_result = %s, last_updated = UTC_TIMESTAMP() "
        "WHERE id = %s",
        (status, result_code, json.dumps(result), job_id),
    )


def forget_old(transaction: Transaction, *, days: int = 1) -> int:
    """Delete results that nobody will ask for any more, a bounded number at a time."""
    return transaction.write(
        "DELETE FROM async_job WHERE job_status <> 0 AND last_updated < UTC_TIMESTAMP() - INTERVAL %s DAY LIMIT 500",
        (days,),
    )
