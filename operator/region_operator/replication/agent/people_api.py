"""What people ask of the agent: conflicts and parked rows, listed, decided and audited. Contract: ``api/review.py``."""

import base64
import binascii
import json
import logging
from collections.abc import Callable

from aiohttp import web

from region_operator.api.agent import Wire
from region_operator.api.review import (
    MAX_PAGE,
    Conflict,
    ConflictPage,
    ConflictValue,
    Decided,
    Decision,
    ParkedPage,
    ParkedRow,
    RestoreDecision,
    RowName,
    RowsDecision,
)
from region_operator.errors import InvalidInput
from region_operator.replication import records
from region_operator.replication.agent.answers import answering, body_of
from region_operator.replication.agent.control_api import for_operators
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.feed import RowKey
from region_operator.replication.records import ParkedKey

log = logging.getLogger(__name__)

CONTRACT = "api/review.py"
DEFAULT_PAGE = 100
CONFLICT_STATES = ("Open", "Settled", "Closed", "All")
PARKED_STATES = ("Parked", "Dead", "Skipped")


def routes(at_hand: Callable[[], LocalRegion]) -> list[web.RouteDef]:
    """Return the routes; ``at_hand`` raises Unavailable while the region's database is not ours."""
    api = _PeopleApi(at_hand)
    reads = {
        "/v1/conflicts": api.conflicts,
        "/v1/conflicts/{id}": api.conflict,
        "/v1/parked": api.parked,
    }
    writes = {
        "/v1/conflicts/{id}/resolve": api.resolve,
        "/v1/conflicts/{id}/restore": api.restore,
        "/v1/parked/retry": api.retry,
        "/v1/parked/skip": api.skip,
        "/v1/history/confirm": api.confirm_history,
    }
    return [
        *(web.get(path, for_operators(answering(handler)), allow_head=False) for path, handler in reads.items()),
        *(web.post(path, for_operators(answering(handler))) for path, handler in writes.items()),
    ]


class _PeopleApi:
    def __init__(self, at_hand: Callable[[], LocalRegion]) -> None:
        self._at_hand = at_hand

    async def conflicts(self, request: web.Request) -> Wire:
        state = _choice(request, "state", CONFLICT_STATES, default="Open")
        before, limit = _number(request, "before"), _limit(request)
        found = await self._at_hand().ask(
            lambda store: store.conflicts(state=None if state == "All" else state, before=before, limit=limit)
        )
        return ConflictPage(
            conflicts=[_conflict(record) for record in found], next=found[-1].id if len(found) == limit else None
        )

    async def conflict(self, request: web.Request) -> Wire:
        number = _conflict_id(request)
        return _conflict(await self._at_hand().ask(lambda store: store.conflict(number)))

    async def resolve(self, request: web.Request) -> Wire:
        number, decision = _conflict_id(request), await body_of(request, Decision, contract=CONTRACT)
        await self._at_hand().decide(lambda store: store.resolve(number, by=decision.by, reason=decision.reason))
        return Decided(rows=1)

    async def restore(self, request: web.Request) -> Wire:
        number, decision = _conflict_id(request), await body_of(request, RestoreDecision, contract=CONTRACT)
        await self._at_hand().decide(
            lambda store: store.restore(number, dot=decision.dot, by=decision.by, reason=decision.reason)
        )
        return Decided(rows=1)

    async def parked(self, request: web.Request) -> Wire:
        state = _choice(request, "state", PARKED_STATES)
        after, limit = _place(request.query.get("after")), _limit(request)
        found = await self._at_hand().ask(lambda store: store.parked(state=state, after=after, limit=limit))
        return ParkedPage(
            rows=[_parked(row) for row in found], next=_token(found[-1].place) if len(found) == limit else None
        )

    async def retry(self, request: web.Request) -> Wire:
        decision = await body_of(request, RowsDecision, contract=CONTRACT)
        rows = _rows(decision)
        return Decided(
            rows=await self._at_hand().decide(lambda store: store.retry(rows, by=decision.by, reason=decision.reason))
        )

    async def skip(self, request: web.Request) -> Wire:
        decision = await body_of(request, RowsDecision, contract=CONTRACT)
        rows = _rows(decision)
        return Decided(
            rows=await self._at_hand().decide(lambda store: store.skip(rows, by=decision.by, reason=decision.reason))
        )

    async def confirm_history(self, request: web.Request) -> Wire:
        decision = await body_of(request, Decision, contract=CONTRACT)
        await self._at_hand().decide(lambda store: store.confirm_history(by=decision.by, reason=decision.reason))
        return Decided(rows=0)


def _choice(request: web.Request, name: str, allowed: tuple[str, ...], *, default: str | None = None) -> str | None:
    given = request.query.get(name, default)
    if given is not None and given not in allowed:
        raise InvalidInput(field=name, problem=f"{given[:64]!r} is no state", remedy=f"use {', '.join(allowed)}")
    return given


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not (text.isdecimal() and text.isascii() and 1 <= int(text[:20]) < 2**63):
        raise InvalidInput(field=name, problem=f"{text[:64]!r} is no number above 0", remedy="give a whole number")
    return int(text)


def _limit(request: web.Request) -> int:
    return min(_number(request, "limit") or DEFAULT_PAGE, MAX_PAGE)


def _conflict_id(request: web.Request) -> int:
    text = request.match_info["id"]
    if not (text.isdecimal() and text.isascii() and len(text) < 19):
        raise InvalidInput(
            field="conflict", problem=f"{text[:64]!r} is no number", remedy="list them", reason="NotFound"
        )
    return int(text)


def _rows(decision: RowsDecision) -> list[RowKey]:
    return [RowKey(row.entity, row.key) for row in decision.rows]


def _token(place: ParkedKey) -> str:
    text = json.dumps([place.entity, place.key, place.source])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _place(token: str | None) -> ParkedKey | None:
    if token is None:
        return None
    try:
        entity, key, source = json.loads(base64.urlsafe_b64decode(token))
        return ParkedKey(str(entity), str(key), int(source))
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidInput(
            field="after", problem="is not what a page ended with", remedy="start from the first page"
        ) from error


def _conflict(record: records.ConflictRecord) -> Conflict:
    return Conflict.model_validate(
        {
            "id": record.id,
            "row": _name(record.row),
            "field": record.field,
            "kind": record.kind,
            "rule": record.rule,
            "state": record.state,
            "values": [ConflictValue(dot=v.dot, value=v.value, region=v.region) for v in record.values],
            "chosen": record.chosen,
            "vector": dict(record.vector),
            "other": _name(record.other) if record.other else None,
            "source": record.source,
            "opened_at": record.opened_at,
            "closed_at": record.closed_at,
        }
    )


def _parked(row: records.ParkedRow) -> ParkedRow:
    return ParkedRow.model_validate(
        {
            "row": _name(row.row),
            "source": row.source,
            "reason": row.reason,
            "message": row.message,
            "waits_for": _name(row.waits_for) if row.waits_for else None,
            "attempts": row.attempts,
            "age_ms": row.age_ms,
            "next_try_ms": row.next_try_ms,
            "state": row.state,
        }
    )


def _name(row: RowKey) -> RowName:
    return RowName.model_construct(entity=row.entity, key=row.key)
