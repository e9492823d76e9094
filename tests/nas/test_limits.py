"""What a candidate may have."""

import pytest

from aiok_spark.nas.limits import Limits


def test_a_number_is_the_most_and_a_pair_both():
    limits = Limits.of({"params": 100, "flops": (10, 20)})
    assert limits.broken({"params": 100, "flops": 10}) == ""
    assert limits.broken({"params": 101}) == "params: found 101, expected at most 100"
    assert limits.broken({"params": 1, "flops": 9}) == "flops: found 9, expected at least 10"
    assert Limits.of(limits.to_json()) == limits
    least = Limits.of({"flops": (10, None)})
    assert least.broken({"flops": 1e12}) == "" and least.broken({"flops": 9}).endswith("expected at least 10")
    assert Limits.of(least.to_json()) == least
    assert Limits.of({"latency": 1.5}).broken({"latency": 2.25}) == "latency: found 2.25 ms, expected at most 1.5"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"params": (5, 2)}, "at least 5 and at most 2"),
        ({"weights": 3}, r"'weights', expected names of \['params', 'flops', 'latency'\]"),
        ({"params": -1}, "params -1"),
        ({"params": (1, 2, 3)}, "two for the least and the most"),
        ({"params": True}, "params True"),
        ({"params": None}, "params None"),
    ],
)
def test_limits_that_mean_nothing_are_refused(told, message):
    with pytest.raises(ValueError, match=message):
        Limits.of(told)
