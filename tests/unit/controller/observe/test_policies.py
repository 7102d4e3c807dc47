"""What a Region takes from its SyncPolicy."""

import pytest

from region_operator import naming
from region_operator.api.policy import SyncPolicy
from region_operator.controller.facts import PolicyFacts
from region_operator.controller.observe.policies import rules_of


@pytest.mark.rule("OPERATOR 8")
def test_a_policy_that_was_restored_may_be_accepted_by_annotation() -> None:
    annotations = {naming.ANNOTATION_ACCEPT_REWIND: "7"}
    meta = {"name": "default", "namespace": "clouds", "uid": "u", "generation": 4, "annotations": annotations}
    found = rules_of(SyncPolicy.parse({"metadata": meta, "spec": {}}), named=True)
    assert isinstance(found, PolicyFacts)
    assert (found.generation, found.accept_rewind) == (4, 7)
