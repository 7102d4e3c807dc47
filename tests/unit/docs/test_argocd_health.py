"""Argo CD's health check, run by a Lua interpreter, says what its port in the status tests says."""

from itertools import product
from pathlib import Path

import pytest
from lupa import LuaRuntime

from unit.controller.status.gitops import argo_health

SCRIPT = (Path(__file__).parents[3] / "docs/argocd-health.lua").read_text()


@pytest.fixture(scope="module")
def health():
    lua = LuaRuntime()
    check = lua.eval(f"function(value) obj = value {SCRIPT} end")

    def health(metadata, status):
        body = {"metadata": metadata, "status": status} if status is not None else {"metadata": metadata}
        return dict(check(lua.table_from(body, recursive=True)))

    return health


def conditions(**statuses):
    return [{"type": name, "status": status, "message": f"about {name}"} for name, status in statuses.items()]


@pytest.mark.parametrize("deleting", [False, True])
@pytest.mark.parametrize("observed", [None, 1, 2])
@pytest.mark.parametrize("mode", [None, "Active", "Suspended"])
def test_it_agrees_with_the_status_tests_in_every_state(health, deleting, observed, mode):
    metadata = {"generation": 2, **({"deletionTimestamp": "2026-11-22T00:00:00Z"} if deleting else {})}
    for ready, stalled, paused in product(("True", "False", "Unknown"), repeat=3):
        status = {"conditions": conditions(Ready=ready, Stalled=stalled, Paused=paused)}
        status |= {"observedGeneration": observed} if observed else {}
        status |= {"mode": mode} if mode else {}

        assert health(metadata, status)["status"] == argo_health(metadata, status), status


def test_an_object_that_nobody_has_looked_at_is_on_its_way(health):
    assert health({"generation": 1}, None)["status"] == "Progressing"
    assert health({"generation": 1}, {})["status"] == "Progressing"
    assert health({"generation": 1}, {"observedGeneration": 1})["status"] == "Progressing"


def test_the_message_is_that_of_the_condition_that_decided(health):
    status = {"observedGeneration": 1, "conditions": conditions(Ready="False", Stalled="True", Paused="False")}
    assert health({"generation": 1}, status) == {"status": "Degraded", "message": "about Stalled"}
