"""Keeps the configuration: in the region's database first, then in force. One change at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from region_operator.api.agent import Refusal, Rules
from region_operator.errors import InvalidInput, Unavailable
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.configuration import Held, Rejected, accept
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.catalog import CATALOG, rule_sets
from region_operator.replication.model.rules import EntityRuleSet
from region_operator.replication.records import StoredConfiguration

log = logging.getLogger(__name__)

BUILT_IN_RULES = Rules(hash="")


class ConfigurationKeeper:
    """What operators told us; ``held`` is None until the database has been read.

    Attributes:
        changed: rings when another configuration is in force; ``status_changed`` rings with it.
    """

    def __init__(self, *, region_id: int, status_changed: Bell) -> None:
        self.changed, self._status_changed = Bell(), status_changed
        self.held: Held | None = None
        self._region_id = region_id
        self._region: LocalRegion | None = None
        self._one_at_a_time = asyncio.Lock()

    async def open(self, region: LocalRegion) -> Held:
        """Read what is stored in a database that was just taken."""
        stored = await region.load_configuration()
        held = Held.from_json(stored.text if stored else None)
        self._region = region
        self._hold(held)
        return held

    def close(self) -> None:
        """The database is not ours any more; what was held may be changed by its next owner."""
        self._region = None

    async def read(self) -> Held:
        if self._region is None or self.held is None:
            raise Unavailable(reason="DatabaseUnavailable", message="the region's database is not at hand")
        return self.held

    async def put(self, body: bytes, *, if_match: str | None) -> Held:
        """Take a document; it is stored when this returns. Raises Rejected or Unavailable."""
        async with self._one_at_a_time:
            before = await self.read()
            held = accept(before, body, if_match=if_match, region_id=self._region_id)
            if held is before:
                return held
            rules = rules_of(held)
            await self._store(held)
            if _rules_changed(before, held):
                await self._in_force(rules)
            log.info(
                "configuration taken", extra={"etag": held.etag, "epoch": held.claim.epoch if held.claim else None}
            )
            return held

    async def left(self, peering_uid: str, *, forget: Callable[[], Awaitable[None]]) -> None:
        """The link is gone for good; ``forget`` gives its position up before that is stored, so a crash repeats it."""
        async with self._one_at_a_time:
            before = await self.read()
            await forget()
            await self._store(before.after_leaving(peering_uid))

    async def _store(self, held: Held) -> None:
        assert self._region is not None
        claim = held.claim
        await self._region.store_configuration(
            StoredConfiguration(
                text=held.to_json(),
                etag=held.etag,
                claim_hub=claim.hub if claim else "",
                claim_region=claim.region if claim else "",
                claim_epoch=claim.epoch if claim else 0,
            )
        )
        self._hold(held)

    def _hold(self, held: Held) -> None:
        self.held = held
        self.changed.ring()
        self._status_changed.ring()

    async def _in_force(self, rules: Mapping[str, EntityRuleSet]) -> None:
        assert self._region is not None
        projected = await self._region.set_rules(rules)
        log.info("rules changed", extra={"rows_shown_differently": projected})


def built_in_rules() -> dict[str, EntityRuleSet]:
    """Return what holds before the first document."""
    return rule_sets(CATALOG.values(), BUILT_IN_RULES)


def rules_of(held: Held) -> dict[str, EntityRuleSet]:
    """Return the rules that the held document asks for; built-in ones before the first document.

    Raises:
        Rejected: 422, the rules name something that is not there or does not apply.
    """
    rules = held.document.rules if held.document else BUILT_IN_RULES
    try:
        return rule_sets(CATALOG.values(), rules)
    except InvalidInput as error:
        pointer = "/rules/" + error.field.replace("[", "/").replace("]", "").replace(".", "/")
        raise Rejected(422, Refusal(reason=error.reason, message=str(error), pointer=pointer)) from error


def _rules_changed(before: Held, after: Held) -> bool:
    old, new = (held.document.rules if held.document else BUILT_IN_RULES for held in (before, after))
    return old.model_copy(update={"hash": new.hash}) != new  # the hash is only a name
