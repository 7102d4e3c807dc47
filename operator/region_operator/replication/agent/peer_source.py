"""This region as its peers may read it: ``peer_api.FeedSource`` over the database, as long as that is ours."""

from collections.abc import Callable

from region_operator.replication import peer_protocol
from region_operator.replication.agent.configuration import Held
from region_operator.replication.agent.dry_run import LocalPlan
from region_operator.replication.agent.keeper import ConfigurationKeeper
from region_operator.replication.agent.links import Links
from region_operator.replication.agent.load_meter import ScannedHere
from region_operator.replication.agent.owned_database import OwnedDatabase
from region_operator.replication.agent.scan_answers import ComparedHere
from region_operator.replication.feed import FeedPage, FeedRequest, RowKey
from region_operator.replication.model.lag import Cursor


class PeerSource:
    """Every method but the last two raises Unavailable while the database is not at hand."""

    def __init__(
        self,
        database: OwnedDatabase,
        *,
        keeper: ConfigurationKeeper,
        links: Links,
        scanned: Callable[[], ScannedHere],
        database_key: Callable[[], str],
    ) -> None:
        self._database, self._keeper, self._links = database, keeper, links
        self._scanned, self._database_key = scanned, database_key
        self.head_moved = database.head_moved

    async def read_feed(self, request: FeedRequest) -> tuple[FeedPage, bytes]:
        return await self._database.at_hand().read_feed(request)

    async def read_rows(self, keys: list[RowKey]) -> bytes:
        return await self._database.at_hand().read_rows(keys)

    def planned(self) -> LocalPlan:
        return LocalPlan(self._database.at_hand())

    def scanned(self) -> ScannedHere:
        return self._scanned()

    def compared(self, peer: int) -> ComparedHere:
        return ComparedHere(self._database.at_hand(), peer=peer)

    def held(self) -> Held:
        self._database.at_hand()
        return self._keeper.held or Held()

    def identification(self) -> dict[str, str]:
        held, region = self._keeper.held, self._database.region
        history = region.facts.status.history if region and region.facts else ()
        return {
            peer_protocol.KEY_HEADER: self._database_key(),
            peer_protocol.RULES_HEADER: held.document.rules.hash if held and held.document else "",
            peer_protocol.INCARNATION_HEADER: history[-1].name if history else "",
        }

    def acknowledged(self, peering_uid: str, applied: Cursor) -> None:
        self._links.acknowledged(peering_uid, applied)
