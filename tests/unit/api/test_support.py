import pytest

from region_operator.api.peering import RegionPeeringSpec
from region_operator.api.policy import SyncPolicySpec
from region_operator.api.schema import Manifest
from region_operator.api.support import not_yet_supported

REGIONS = [{"name": "a"}, {"name": "b"}]


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        (RegionPeeringSpec.model_validate({"regions": REGIONS}), []),
        (RegionPeeringSpec.model_validate({"regions": REGIONS, "mode": "Suspended"}), []),
        (RegionPeeringSpec.model_validate({"regions": REGIONS, "mode": "Plan"}), []),
        (SyncPolicySpec(), []),
        (SyncPolicySpec.model_validate({"conflicts": {"retentionDays": 1}, "parking": {"maxRows": 1}}), []),
        (SyncPolicySpec.model_validate({"entities": [{"name": "user", "mode": "Off", "acceptFrom": [1]}]}), []),
        (
            SyncPolicySpec.model_validate(
                {"conflicts": {"uniqueClash": "Adopt"}, "entities": [{"name": "domain", "uniqueClash": "Rename"}]}
            ),
            [],
        ),
        (SyncPolicySpec.model_validate({"scan": {"mode": "Enabled", "verify": "Versions"}}), []),
        (SyncPolicySpec.model_validate({"scan": {"cron": "0 1 * * *"}}), []),
        (SyncPolicySpec.model_validate({"scan": {"verify": "Content"}}), []),
        (SyncPolicySpec.model_validate({"scan": {"drift": "Revert"}}), []),
    ],
)
def test_what_is_not_there_yet_is_named_by_its_path(spec, paths):
    assert not_yet_supported(spec) == paths


def test_only_specs_of_the_kinds_are_judged():
    with pytest.raises(TypeError):
        not_yet_supported(Manifest())
