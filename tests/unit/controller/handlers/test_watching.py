"""kopf watches and does nothing else (OPERATOR 2, 3)."""

import asyncio
import itertools

import kopf
import pytest

from region_operator import naming
from region_operator.controller.fleet import Entry
from region_operator.controller.handlers.watching import PLURALS, JitteredBackoffs, registry, settings
from region_operator.supervision.units import Key


@pytest.mark.rule("OPERATOR 2")
@pytest.mark.parametrize("namespaced", [True, False])
def test_the_finalizer_that_kopf_would_strip_is_nobodys(namespaced):
    made = settings(namespaced=namespaced)
    assert made.persistence.finalizer == naming.KOPF_UNUSED_FINALIZER
    assert made.persistence.finalizer != naming.TEARDOWN_FINALIZER


@pytest.mark.rule("OPERATOR 2")
def test_there_are_only_event_handlers_so_kopf_has_nothing_to_write():
    made = registry(lambda change, entry, version: None)
    assert made._watching.get_all_handlers()
    for others in (made._indexing, made._spawning, made._changing, made._webhooks):
        assert not list(others.get_all_handlers())
    resources = {handler.selector.plural or handler.selector.any_name for handler in made._watching.get_all_handlers()}
    assert resources == set(PLURALS)


def test_kopf_writes_no_events_and_takes_part_in_no_peering():
    made = settings(namespaced=False)
    assert made.posting.enabled is False
    assert made.peering.standalone is True


def test_a_watch_that_went_silent_is_noticed():
    made = settings(namespaced=False)
    assert made.watching.inactivity_timeout < made.watching.server_timeout < made.watching.client_timeout
    assert made.watching.connect_timeout
    assert made.networking.request_timeout


def test_a_namespaced_operator_does_not_look_for_namespaces_and_kinds_of_the_cluster():
    assert settings(namespaced=True).scanning.disabled
    assert not settings(namespaced=False).scanning.disabled


@pytest.mark.parametrize(
    ("type_", "change"), [(None, "seen"), ("ADDED", "seen"), ("MODIFIED", "seen"), ("DELETED", "gone")]
)
def test_an_event_is_handed_on_as_what_the_index_keeps(type_, change):
    heard: list[tuple[str, Entry, str]] = []
    made = registry(lambda *told: heard.append(told))
    body = {
        "kind": "Region",
        "metadata": {"name": "a", "namespace": "clouds", "uid": "u", "generation": 2, "resourceVersion": "7"},
        "spec": {"id": 1},
    }
    handler = next(h for h in made._watching.get_all_handlers() if h.id == "regions")
    asyncio.run(handler.fn(event={"type": type_, "object": body}, body=kopf.Body(body)))
    ((told, entry, version),) = heard
    assert (told, entry.key, entry.region_id, version) == (change, Key("Region", "clouds", "a"), 1, "7")


def test_pauses_between_tries_grow_and_last_about_ten_minutes():
    backoffs = JitteredBackoffs()
    for _ in range(20):
        pauses = list(backoffs)
        assert 600 <= sum(pauses) < 640
        assert max(pauses) <= 37.5
        assert 0.75 <= pauses[0] <= 1.25
        assert all(later >= 1.2 * earlier for earlier, later in itertools.pairwise(pauses[:5]))
