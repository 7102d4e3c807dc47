"""kopf, and nothing but its watching: events of the three kinds become entries of the fleet index.

kopf runs in a thread and a loop of its own, because when it stops it cancels every task on its loop (OPERATOR.md 3).
It gets no finalizer, no annotation and no status to write: there are only event handlers, and its settings name a
finalizer that nobody uses, since it removes its own wherever it finds it (OPERATOR.md 2).
"""

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import kopf

from region_operator import naming
from region_operator.controller.fleet import Entry, entry_of

log = logging.getLogger(__name__)

PLURALS = ("regions", "regionpeerings", "syncpolicies")
_LONGEST_PAUSE_S = 30.0
_PAUSES_IN_ALL_S = 600.0

IDENTITY: Any = "region-operator"
Change = Literal["seen", "gone"]
OnEvent = Callable[[Change, Entry, str], None]


class JitteredBackoffs:
    """Pauses for kopf's retries: they grow, and last long enough in all that a control-plane upgrade is ridden out."""

    def __iter__(self) -> Iterator[float]:
        """Yield pauses in seconds: about 1, 2, 4, 8, 16, 30, 30, ... until 600 s are spent."""
        spent_s, pause_s = 0.0, 1.0
        while spent_s < _PAUSES_IN_ALL_S:
            jittered_s = pause_s * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, guards nothing
            spent_s += jittered_s
            yield jittered_s
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)


class Watching(threading.Thread):
    """The thread that kopf lives in.

    Args:
        namespaces: those to watch; empty for all.
        on_event: called in this thread, for every event.
        on_exit: called in this thread when kopf ends, whoever ended it.
    """

    def __init__(self, *, namespaces: Sequence[str], on_event: OnEvent, on_exit: Callable[[], None]) -> None:
        super().__init__(name="kopf", daemon=True)
        self._namespaces, self._on_event, self._on_exit = tuple(namespaces), on_event, on_exit
        self._stop_flag, self.ready = threading.Event(), threading.Event()

    def run(self) -> None:
        """Watch until stopped, or until kopf gives up (the process then ends and is started anew)."""
        try:
            asyncio.run(
                kopf.operator(
                    registry=registry(self._on_event),
                    settings=settings(namespaced=bool(self._namespaces)),
                    standalone=True,
                    identity=IDENTITY,  # else kopf asks for the name of our user, who need not have one
                    clusterwide=not self._namespaces,
                    namespaces=self._namespaces,
                    stop_flag=self._stop_flag,
                    ready_flag=self.ready,
                )
            )
        except Exception:
            log.exception("watching ended")
        finally:
            self._on_exit()

    def stop(self) -> None:
        self._stop_flag.set()


def registry(on_event: OnEvent) -> kopf.OperatorRegistry:
    """Handlers of the three kinds; each only hands on what happened."""
    made = kopf.OperatorRegistry()
    kopf.on.login(registry=made)(_login)

    async def hand_on(event: Any, **_: Any) -> None:
        body = event["object"]
        change: Change = "gone" if event["type"] == "DELETED" else "seen"
        on_event(change, entry_of(body), body["metadata"].get("resourceVersion", ""))

    for plural in PLURALS:
        kopf.on.event(naming.GROUP, naming.VERSION, plural, registry=made, id=plural)(hand_on)
    return made


def _login(*, settings: kopf.OperatorSettings, **kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(settings=settings, **kwargs) or kopf.login_with_kubeconfig(
        settings=settings, **kwargs
    )


def settings(*, namespaced: bool) -> kopf.OperatorSettings:
    """What keeps kopf's watches alive, and its hands off our objects."""
    made = kopf.OperatorSettings()
    made.networking.request_timeout = 30
    made.networking.connect_timeout = 10
    made.networking.error_backoffs = JitteredBackoffs()
    made.watching.connect_timeout = 10
    made.watching.server_timeout = 300
    made.watching.client_timeout = 330  # > server_timeout
    made.watching.inactivity_timeout = 70
    made.watching.reconnect_backoff = 1
    made.queueing.error_delays = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)
    made.persistence.finalizer = naming.KOPF_UNUSED_FINALIZER
    made.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(
        prefix=naming.GROUP, key="last-handled", ignored_fields=["metadata.labels", "metadata.annotations"], v1=False
    )
    made.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=naming.GROUP, v1=False)
    made.posting.enabled = False  # events are our own, on state changes only
    made.scanning.disabled = namespaced
    made.peering.standalone = True
    made.process.ultimate_exiting_timeout = 10
    return made
