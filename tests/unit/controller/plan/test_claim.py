import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_operator.controller.facts import ConfigMapFacts, DuplicatePeering, IdHolder, Meta, ObjectRef, Unknown
from region_operator.controller.plan.claim import (
    claim_manifest,
    decide_claim,
    document_epoch,
    duplicate_of,
    foreign_data,
    id_clash,
)
from region_operator.controller.plan.labels import Site, labels

SITE = Site("hub", "clouds", "eu", 1, "placed")


def written(hub="hub", region="clouds/eu", epoch="3"):
    meta = Meta(ObjectRef("ConfigMap", "placed", "eu-claim"), "uid")
    return ConfigMapFacts(meta, {"hub": hub, "region": region, "epoch": epoch})


@pytest.mark.rule("OPERATOR 8")
@pytest.mark.parametrize(
    ("seen", "take_over", "verdict", "epoch"),
    [
        (None, "", "Write", 1),
        (written(), "", "Ours", 3),
        (written(), "other", "Ours", 3),
        (written(epoch="nonsense"), "", "Ours", 1),
        (written(hub="other"), "", "Foreign", 3),
        (written(hub="other"), "third", "Foreign", 3),
        (written(hub="other"), "other", "Write", 4),
        (written(hub=""), "", "Foreign", 3),
        (written(region="clouds/us"), "", "Foreign", 3),
        (written(hub="other", region="clouds/us"), "other", "Foreign", 3),
    ],
)
def test_a_claim_is_ours_unclaimed_or_foreign(seen, take_over, verdict, epoch):
    decision = decide_claim(SITE, seen, take_over=take_over)
    assert (decision.verdict, decision.epoch) == (verdict, epoch)


def test_a_claim_that_was_written_is_ours():
    data = claim_manifest(SITE, 5)["data"]
    assert decide_claim(SITE, ConfigMapFacts(written().meta, data), take_over="").epoch == 5


@pytest.mark.rule("OPERATOR 14")
@given(st.integers(1, 10**5), st.integers(0, 10**9 - 1), st.integers(1, 10**5), st.integers(0, 10**9 - 1))
def test_a_later_claim_outranks_every_term_and_within_a_claim_the_later_term_wins(epoch, term, epoch2, term2):
    assert (document_epoch(epoch, term) < document_epoch(epoch2, term2)) == ((epoch, term) < (epoch2, term2))


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])


@pytest.mark.rule("OPERATOR 19")
@given(st.dictionaries(NAMES, st.booleans(), min_size=1))
def test_of_regions_with_one_id_exactly_one_goes_on(claims):
    def loses(name):
        others = tuple(
            IdHolder("clouds", other, other, holds_claim=held) for other, held in claims.items() if other != name
        )
        return id_clash(Site("hub", "clouds", name, 1, "x"), holds_claim=claims[name], others=others)

    winners = [name for name in claims if loses(name) is None]
    assert len(winners) == 1
    assert claims[winners[0]] == any(claims.values())


@pytest.mark.rule("OPERATOR 19")
def test_who_holds_the_claim_goes_on_also_when_the_others_cannot_be_looked_at():
    others = (IdHolder("clouds", "aa", "u", holds_claim=Unknown("ProbeTimeout", "no answer")),)
    assert id_clash(SITE, holds_claim=True, others=others) is None
    waiting = id_clash(SITE, holds_claim=False, others=others)
    assert waiting is not None
    assert waiting.unknown


@pytest.mark.rule("OPERATOR 19")
@given(st.dictionaries(NAMES, st.booleans(), min_size=1))
def test_of_two_peerings_of_one_pair_exactly_one_goes_on(known):
    def beaten(name):
        others = [DuplicatePeering("clouds", other, other, held) for other, held in known.items() if other != name]
        return duplicate_of(f"clouds/{name}", known_to_agents=known[name], duplicates=others)

    winners = [name for name in known if beaten(name) is None]
    assert len(winners) == 1
    assert known[winners[0]] == any(known.values())
    assert all(beaten(name).name == winners[0] for name in known if name != winners[0])


@pytest.mark.rule("OPERATOR 13")
@pytest.mark.parametrize(
    ("change", "ours"),
    [
        ({}, True),
        ({"region-operator.io/hub": "a hub of the past"}, True),
        ({"region-operator.io/region-id": "2"}, False),
        ({"region-operator.io/region-name": "us"}, False),
        ({"region-operator.io/region-namespace": "others"}, False),
        ({"app.kubernetes.io/managed-by": "somebody"}, False),
    ],
)
def test_kept_data_is_known_by_namespace_name_and_id(change, ours):
    meta = Meta(ObjectRef("PersistentVolumeClaim", "placed", "x"), "u", labels={**labels(SITE, "database"), **change})
    wait = foreign_data(SITE, [meta])
    assert (wait is None) == ours
    if wait:
        assert wait.stalled
