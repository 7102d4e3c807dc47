"""From a request to its answer: who calls, may they, is it well-formed, do it. One transaction, one worker thread."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from region_operator.errors import InvalidInput
from region_operator.management.commands.arguments import parse
from region_operator.management.commands.call import Call, Caller, Services
from region_operator.management.commands.declaration import ANYBODY, Body, Command, SessionEnded, SessionOpened
from region_operator.management.commands.errors import (
    HIDDEN_TEXT,
    BadRequest,
    InternalError,
    InvalidParameter,
    MethodNotAllowed,
    Unauthorized,
)
from region_operator.management.commands.jobs import submit
from region_operator.management.commands.meta import may_call
from region_operator.management.http.requests import Request, identify
from region_operator.management.store import identities
from region_operator.management.store.connection import Transaction


@dataclass(frozen=True)
class Answer:
    """What the caller is told.

    Attributes:
        session: set if the request opened or ended one.
        job: whether a job was left behind.
    """

    body: Body
    caller: Caller | None = None
    session: SessionOpened | SessionEnded | None = None
    job: bool = False


def command_of(request: Request, commands: Mapping[str, Command]) -> Command | None:
    return commands.get(request.parameters.get("command", ""))


def response_key(request: Request, commands: Mapping[str, Command]) -> str:
    """The one top-level key; a command that does not exist has none of its own."""
    command = command_of(request, commands)
    return command.response_key if command else "errorresponse"


def dispatch(transaction: Transaction, *, request: Request, services: Services, now: datetime) -> Answer:
    """Do what the request asks for.

    Raises:
        ApiError: it was not done, and nothing was written.
    """
    command = command_of(request, services.commands)
    caller = None
    if command is None or command.roles != ANYBODY:
        caller = identify(transaction, request, cipher=services.cipher, now=now)
        command = _permitted(command, request, caller)
    if command.post_only and request.method != "POST":
        raise MethodNotAllowed("Please use HTTP POST to authenticate using this API")
    arguments = parse(command, request.parameters, partial(identities.local_id, transaction))
    call = Call(caller, arguments, transaction, services, session_id=request.session_id)
    try:
        return _done(command, call, request)
    except InvalidInput as problem:
        raise InvalidParameter(str(problem)) from problem
    except InternalError as error:
        if caller is None or not caller.is_root_admin:
            raise InternalError(HIDDEN_TEXT) from error
        raise


def _permitted(command: Command | None, request: Request, caller: Caller) -> Command:
    name = request.parameters.get("command")
    if not name:
        raise BadRequest("no command specified")
    if command is None or not may_call(caller.role, command):
        raise Unauthorized(f"The given command '{name}' either does not exist, is not available for user.")
    return command


def _done(command: Command, call: Call, request: Request) -> Answer:
    if command.asynchronous is not None:
        return Answer(submit(command, call, request.parameters), call.identified, job=True)
    outcome = command.handler(call)
    if isinstance(outcome, SessionOpened | SessionEnded):
        return Answer(command.answer.render(outcome.body), call.identified, session=outcome)
    return Answer(command.answer.render(outcome), call.identified)
