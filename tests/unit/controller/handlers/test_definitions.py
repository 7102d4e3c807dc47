"""An operator notices that the definitions in the cluster are not its own (OPERATOR 25)."""

import pytest

from region_operator import naming
from region_operator.api import crds
from region_operator.controller.handlers.definitions import outdated_definitions
from region_operator.errors import Unavailable


class Hub:
    def __init__(self, hashes):
        self.hashes = hashes

    async def get(self, kind, namespace, name):
        if name not in self.hashes:
            raise Unavailable(reason="Forbidden", message="no right to look")
        return {"metadata": {"name": name, "annotations": {naming.ANNOTATION_SCHEMA_HASH: self.hashes[name]}}}


def installed():
    return {f"{kind.plural}.{naming.GROUP}": crds.schema_hash(kind) for kind in crds.KINDS}


async def test_definitions_of_this_version_are_fine():
    assert await outdated_definitions(Hub(installed())) == ()


@pytest.mark.rule("OPERATOR 25")
async def test_a_definition_of_another_version_is_named_with_the_remedy(caplog):
    older = installed() | {"regions.region-operator.io": "sha256:older"}
    assert await outdated_definitions(Hub(older)) == ("regions.region-operator.io",)
    assert "kubectl apply -f crds/" in caplog.text


async def test_one_that_may_not_be_looked_at_is_not_called_outdated(caplog):
    visible = installed()
    visible.pop("regions.region-operator.io")
    assert await outdated_definitions(Hub(visible)) == ()
    assert "could not be looked at" in caplog.text
