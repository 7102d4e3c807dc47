"""What each agent last said: one long poll per agent, so that a partition reaches status within seconds.

A pass never waits for an agent. It reads the last answer with its age; the poll asks for a pass when the answer
changed in a way that matters. An agent that does not answer is ``Unknown``, from the first failed call on.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from region_operator.api.agent import Acknowledgement, AgentStatus, LinkStatus, Rules
from region_operator.controller.agent_client import AgentClient, AgentEndpoint
from region_operator.controller.facts import AgentFacts, Fact, Invalid, Unknown
from region_operator.errors import Conflict, Refused, Unavailable
from region_operator.supervision.backoff import Backoff
from region_operator.supervision.supervisor import Process, Supervisor
from region_operator.supervision.units import Key

FIRST_ANSWER_S = 3.0
MIN_INTERVAL_S = 1.0  # an agent under write load has news all the time; one answer a second is enough


@dataclass
class _Watched:
    endpoint: AgentEndpoint
    status: Fact[AgentStatus | None] = None
    last: AgentStatus | None = None
    answered_at: float | None = None
    etag: str = ""
    refusal: Invalid | None = None
    document_etag: str = ""
    rules_in_force: Rules | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)  # the first call has come back


@dataclass(frozen=True)
class News:
    """What changed in an agent's answer."""

    region: Key
    links: bool = False  # of its links: it concerns the peerings too
    own: bool = True  # more than figures of links, which concern nobody but the peerings


class AgentObserver:
    """Polls every agent that it was told of.

    Args:
        on_news: called on the loop when a Region, or its peerings, should be looked at again.
        shown: figures of a link, as roughly as they are shown.
    """

    def __init__(  # noqa: PLR0913 - one place composes it
        self,
        client: AgentClient,
        *,
        on_news: Callable[[News], None],
        shown: Callable[[LinkStatus], object],
        supervisor: Supervisor | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        first_answer_s: float = FIRST_ANSWER_S,
    ) -> None:
        self._client, self._on_news, self._clock, self._sleep = client, on_news, clock, sleep
        self._shown = shown
        self._first_answer_s = first_answer_s
        self._supervisor = supervisor or Supervisor(backoff=Backoff(base_s=1.0, cap_s=15.0), steady_s=5.0)
        self._watched: dict[Key, _Watched] = {}
        self._rules: dict[str, Rules] = {}

    async def watch(self, key: Key, endpoint: AgentEndpoint) -> None:
        """Poll the agent of Region ``key`` there; a repeat with the same endpoint changes nothing.

        Waits a moment for the first answer, so that an operator that was just started does not call an agent unknown
        that it has not asked yet.
        """
        known = self._watched.get(key)
        if known is not None and known.endpoint == endpoint:
            return
        await self._supervisor.stop(str(key))
        if known is not None and known.endpoint.url == endpoint.url:
            known.endpoint = endpoint  # only certificates changed: what it said still holds
        else:
            self._watched[key] = _Watched(endpoint)
        watched = self._watched[key]
        self._supervisor.spawn(str(key), lambda process: self._poll(key, process))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._first_answer_s):
                await watched.asked.wait()

    def nudge(self, key: Key) -> None:
        """Ask a silent agent now, and not only when the present rest is over: it may have come up."""
        watched = self._watched.get(key)
        if watched is not None and isinstance(watched.status, Unknown):
            self._supervisor.restart(str(key))

    async def forget(self, key: Key) -> None:
        """Stop asking: the Region is gone, or its agent is."""
        self._watched.pop(key, None)
        await self._supervisor.stop(str(key))

    async def close(self) -> None:
        await self._supervisor.close()

    def endpoint(self, key: Key) -> AgentEndpoint | None:
        watched = self._watched.get(key)
        return watched.endpoint if watched else None

    def facts(self, key: Key) -> AgentFacts:
        """The last answer and its age; ``status`` is None until the first call came back."""
        watched = self._watched.get(key)
        if watched is None:
            return AgentFacts(endpoint="", status=None)
        age_s = self._clock() - watched.answered_at if watched.answered_at is not None else 0.0
        return AgentFacts(
            endpoint=watched.endpoint.url,
            status=watched.status,
            age_s=age_s,
            last=watched.last,
            refusal=watched.refusal,
            document_etag=watched.document_etag,
            rules_in_force=watched.rules_in_force,
        )

    def acknowledged(self, key: Key, answer: Acknowledgement, rules: Rules) -> None:
        """The agent of ``key`` took our document, with these rules in it."""
        watched = self._watched.get(key)
        if watched is not None:
            watched.refusal, watched.document_etag, watched.rules_in_force = None, answer.etag, self._one(rules)
            if isinstance(watched.status, AgentStatus):
                acknowledged = {"configuration_etag": answer.etag, "sources": answer.sources}
                watched.status = watched.last = watched.status.model_copy(update=acknowledged)
            watched.etag = ""  # ask for the whole status at once
        self._supervisor.restart(str(key))

    def refused(self, key: Key, refusal: Invalid) -> None:
        """The agent of ``key`` did not take our document."""
        watched = self._watched.get(key)
        if watched is not None:
            watched.refusal = refusal

    async def look(self, key: Key) -> None:
        """Ask now and do not wait for news."""
        watched = self._watched.get(key)
        if watched is not None:
            self._hear(key, watched, await self._client.get_status(watched.endpoint, etag="", wait_s=0))

    async def _poll(self, key: Key, process: Process) -> None:
        watched = self._watched[key]
        while True:
            asked_at = self._clock()
            try:
                status = await self._client.get_status(watched.endpoint, etag=watched.etag)
            except Unavailable as error:
                self._miss(key, watched, error)
                raise
            except (Refused, Conflict) as error:  # no answer to a question for its status
                self._miss(key, watched, Unavailable(reason="AgentError", message=str(error)))
                raise
            process.ready()
            self._hear(key, watched, status)
            await self._sleep(max(0.0, MIN_INTERVAL_S - (self._clock() - asked_at)))

    def _hear(self, key: Key, watched: _Watched, status: AgentStatus) -> None:
        before = watched.status
        watched.asked.set()
        if status.rules is not None:
            status = status.model_copy(update={"rules": self._one(status.rules)})
        watched.status = watched.last = status
        watched.answered_at, watched.etag = self._clock(), status.etag
        if not isinstance(before, AgentStatus):
            self._on_news(News(key, links=True))
            return
        of_links = _essence_of_links(before) != _essence_of_links(status)
        if of_links or _essence(before) != _essence(status):
            self._on_news(News(key, links=of_links))
        elif [*map(self._shown, before.links)] != [*map(self._shown, status.links)]:
            self._on_news(News(key, links=True, own=False))

    def _one(self, rules: Rules) -> Rules:
        """The same object for equal rules: a thousand Regions have a handful of policies."""
        known = self._rules.setdefault(rules.hash, rules)
        return known if known == rules else rules

    def _miss(self, key: Key, watched: _Watched, error: Unavailable) -> None:
        watched.asked.set()
        before, watched.status = watched.status, Unknown(error.reason, str(error))
        watched.etag = ""
        if not isinstance(before, Unknown) or before.reason != error.reason:
            self._on_news(News(key, links=True))


def _essence(status: AgentStatus) -> AgentStatus:
    """The status without what changes all the time."""
    return status.model_copy(update={"etag": "", "links": []})


def _essence_of_links(status: AgentStatus) -> tuple[object, ...]:
    """What peerings are judged from."""
    told = (status.sources, status.left_peerings, status.rules_hash, status.database_key_fingerprint)
    return (*map(_essence_of, status.links), *told, status.schema_version)


def _essence_of(link: LinkStatus) -> tuple[object, ...]:
    return (
        link.peering_uid,
        link.state,
        link.reason,
        link.registered,
        link.peer_database_key_fingerprint,
        link.peer_rules_hash,
        link.bad_age_ms is None,
        link.plan,
        link.unwiring,
    )
