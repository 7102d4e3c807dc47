"""The examples by which the model explains itself are true."""

import doctest

from region_operator.replication import model


def test_the_example_at_the_head_of_the_model_is_true():
    ran = doctest.testmod(model, raise_on_error=True)
    assert ran.attempted > 10
