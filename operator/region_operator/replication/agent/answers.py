"""How the agent reads a document and tells an error, on every route that answers operators with one of its own."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import ValidationError

from region_operator.api.agent import Wire
from region_operator.errors import InvalidInput, Refused, Unavailable
from region_operator.replication.agent.listener import refusal

Body = TypeVar("Body", bound=Wire)

MAX_BODY_BYTES = 256 * 1024
_STATUS = {"NotFound": 404, "UnknownLink": 404, "RowBusy": 409}


def answering(handler: Callable[[web.Request], Awaitable[Wire]]) -> Handler:
    """Answer with what the handler returns, or with the refusal that its error means."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            found = await handler(request)
        except Unavailable as error:
            return refusal(503, reason=error.reason, message=str(error))
        except InvalidInput as error:
            return refusal(_STATUS.get(error.reason, 422), reason=error.reason, message=str(error))
        except Refused as error:
            return refusal(_STATUS.get(error.reason, 409), reason=error.reason, message=str(error))
        return web.Response(text=found.model_dump_json(by_alias=True), content_type="application/json")

    return answer


async def body_of(request: web.Request, form: type[Body], *, contract: str) -> Body:
    """Read the document of a request; raises InvalidInput that names the field and the ``contract``."""
    body = await read_within(request, MAX_BODY_BYTES)
    if body is None:
        raise InvalidInput(field="body", problem=f"is larger than {MAX_BODY_BYTES} bytes", remedy="send less at once")
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise InvalidInput(field=place, problem=first["msg"], remedy=f"see the contract in {contract}") from error


async def read_within(request: web.Request, max_bytes: int) -> bytearray | None:
    """The body of a request; None if it is larger."""
    body = bytearray()
    while more := await request.content.readany():
        body += more
        if len(body) > max_bytes:
            return None
    return body
