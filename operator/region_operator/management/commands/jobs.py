"""Asynchronous commands: asked for now, done by a job, and what clients poll until then."""

import json
import logging
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from region_operator.errors import InvalidInput
from region_operator.management.commands.answers import moment, present
from region_operator.management.commands.arguments import parse
from region_operator.management.commands.call import Call, Caller, Services
from region_operator.management.commands.declaration import (
    EVERYONE,
    Body,
    Command,
    Field,
    Flat,
    Kind,
    Parameter,
    SessionEnded,
    SessionOpened,
)
from region_operator.management.commands.errors import (
    HIDDEN_TEXT,
    ApiError,
    InternalError,
    InvalidParameter,
    PermissionDenied,
)
from region_operator.management.store import identities, jobs, users
from region_operator.management.store.connection import DuplicateKey, Transaction
from region_operator.management.store.identities import Entity
from region_operator.management.store.jobs import Job, NewJob

log = logging.getLogger(__name__)

_TABLES: Final = {"Domain": Entity.DOMAIN, "Account": Entity.ACCOUNT, "User": Entity.USER}


def submit(command: Command, call: Call, given: Mapping[str, str]) -> Body:
    """Check what can be checked at once, and leave the rest to a job."""
    assert command.asynchronous is not None
    target = command.asynchronous.target(call)
    declared = {parameter.name for parameter in command.parameters}
    job = NewJob(
        uuid=str(uuid.uuid4()),
        command=command.asynchronous.job_class,
        arguments={name: value for name, value in given.items() if name in declared},
        user_id=call.caller.user_id,
        account_id=call.caller.account_id,
        instance_type=target.instance_type,
        instance_id=target.instance_id,
    )
    jobs.add(call.transaction, job)
    return {"jobid": job.uuid}


def run_job(transaction: Transaction, *, job_id: int, services: Services) -> Job | None:
    """Do the job and write its result, in this transaction; None if it is done or somebody else has it."""
    job = jobs.take(transaction, job_id)
    if job is None:
        return None
    transaction.savepoint()
    try:
        result, status, code = _perform(transaction, job, services), jobs.SUCCEEDED, 0
    except (ApiError, InvalidInput, DuplicateKey) as error:
        transaction.undo_to_savepoint()
        code = error.code if isinstance(error, ApiError) else InternalError.code
        status, result = jobs.FAILED, {"errorcode": code, "errortext": str(error)}
    except (AssertionError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
        # A defect of ours: the job fails and the client is told; errors of the database end the transaction instead.
        log.exception("job failed by a defect", extra={"job": job.uuid, "command": job.command})
        transaction.undo_to_savepoint()
        status, code = jobs.FAILED, InternalError.code
        result = {"errorcode": code, "errortext": HIDDEN_TEXT}
    jobs.finish(transaction, job.id, status=status, result_code=code, result=result)
    return job


def _perform(transaction: Transaction, job: Job, services: Services) -> Body:
    command = next(
        (c for c in services.commands.values() if c.asynchronous and c.asynchronous.job_class == job.command), None
    )
    user = users.by_id(transaction, job.user_id)
    if command is None or user is None:
        raise InternalError(f"This server cannot do {job.command}")
    arguments = parse(command, json.loads(job.arguments), partial(identities.local_id, transaction))
    result = command.handler(Call(Caller.of(user), arguments, transaction, services))
    assert not isinstance(result, SessionOpened | SessionEnded), "sessions are opened and ended at once"
    return command.answer.render(result)


def query_async_job_result(call: Call) -> Body:
    job = jobs.by_id(call.transaction, call.arguments.number("jobid"))
    if job is None:
        raise InvalidParameter("Unable to find a job by id")
    caller = call.caller
    own = job.account_id == caller.account_id
    if not (own or caller.is_root_admin or (caller.is_admin and caller.may_see_domain(job.domain_path or ""))):
        raise PermissionDenied(f"Account {caller} is not authorized to see job id={job.uuid}")
    result: dict[str, Any] = {}
    if job.status != jobs.PENDING:
        result = {"jobresulttype": "object", "jobresult": json.loads(job.result or "{}")}
    fields = {
        "jobid": job.uuid,
        "jobstatus": job.status,
        "jobprocstatus": 0,
        "jobresultcode": job.result_code,
        **result,
        "cmd": job.command,
        "accountid": job.account_uuid,
        "userid": job.user_uuid,
        "jobinstancetype": job.instance_type,
        "jobinstanceid": _instance_uuid(call, job),
        "created": moment(job.created),
        "completed": moment(job.completed),
    }
    return present(fields)


def _instance_uuid(call: Call, job: Job) -> str | None:
    entity = _TABLES.get(job.instance_type or "")
    if entity is None or job.instance_id is None:
        return None
    return identities.uuid_of(call.transaction, entity, job.instance_id)


COMMANDS: Final = (
    Command(
        name="queryAsyncJobResult",
        description="Retrieves the current status of asynchronous job.",
        roles=EVERYONE,
        parameters=(Parameter("jobid", Kind.UUID, "the ID of the asynchronous job", required=True, entity=Entity.JOB),),
        answer=Flat(
            (
                Field("jobid", "string", "the ID of the asynchronous job"),
                Field("jobstatus", "integer", "the current job status: 0 pending, 1 succeeded, 2 failed"),
                Field("jobprocstatus", "integer", "the progress information of the PENDING job"),
                Field("jobresultcode", "integer", "the result code for the job"),
                Field("jobresulttype", "string", "the result type"),
                Field("jobresult", "responseobject", "the result reason"),
                Field("cmd", "string", "the async command executed"),
                Field("accountid", "string", "the account that executed the async command"),
                Field("userid", "string", "the user that executed the async command"),
                Field("jobinstancetype", "string", "the instance/entity object related to the job"),
                Field("jobinstanceid", "string", "the unique ID of the instance/entity object related to the job"),
                Field("created", "date", "the created date of the job"),
                Field("completed", "date", "the completed date of this job"),
            )
        ),
        handler=query_async_job_result,
    ),
)
