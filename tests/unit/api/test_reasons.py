"""Reasons are an interface: what the operator can say is what the tables declare."""

import ast
import re
from pathlib import Path

import pytest

from region_operator.api.conditions import Finding, is_declared
from region_operator.api.reasons import REASONS

KIND_OF = {"region": "Region", "peering": "RegionPeering", "policy": "SyncPolicy"}  # by the word the file begins with
CONTROLLER = Path(__file__).parents[3] / "operator/region_operator/controller"


def said():
    """Every Finding that is written out in the controller, as (where, type, status, reason)."""
    found = []
    for file in sorted(CONTROLLER.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").lower() == "finding" and len(node.args) == 4:
                words = [part.value for part in node.args[:3] if isinstance(part, ast.Constant)]
                if len(words) == 3:
                    found.append((f"{file.relative_to(CONTROLLER)}:{node.lineno}", *words))
    return found


@pytest.mark.parametrize(("where", "type_", "status", "reason"), said())
def test_a_reason_that_the_operator_gives_is_declared(where, type_, status, reason):
    kind = KIND_OF.get(re.split("[_.]", Path(where).name)[0])
    kinds = [kind] if kind else list(REASONS)
    finding = Finding(type_, status, reason, "")
    assert any(is_declared(kind, finding) for kind in kinds), f"{where}: {type_}={status} {reason}"
