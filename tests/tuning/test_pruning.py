"""Which trials end early."""

import pytest

from aiok_spark.tuning.pruning import Pruned, Pruner


def told(pruner, trials, epoch=1):
    """Numbers of those that were ended."""
    ended = []
    for number, cost in trials:
        try:
            pruner.tell(number, epoch, cost)
        except Pruned:
            ended.append(number)
    return ended


def test_the_median_ends_what_is_worse_than_it_once_there_are_some():
    assert told(Pruner("median"), [(1, 0.9), (2, 0.1), (3, 0.2), (4, 0.3), (5, 0.26), (6, 0.24), (7, 0.2)]) == [5]
    # 5: the median of 0.9, 0.1, 0.2, 0.3 is 0.25; 6: that with 0.26 is 0.26.


def test_halving_keeps_the_best_third_at_its_rungs():
    pruner = Pruner("halving")
    assert told(pruner, [(1, 0.5), (2, 0.6), (3, 0.7), (4, 0.4), (5, 0.3), (6, 0.45)]) == [3, 6]
    # 3 is the worst of three, of which one goes on; 6 the third of six, of which two do.
    assert told(pruner, [(n, 1.0 - n) for n in range(1, 9)], epoch=2) == []  # no rung
    assert told(Pruner("halving"), [(1, 0.1), (2, 0.2), (3, 0.2), (4, 0.3)], epoch=9) == [3, 4]


def test_of_short_epochs_some_are_told_and_what_lies_between_is_on_a_line():
    pruner = Pruner("median")
    for number in range(1, 5):
        pruner.learn(number, [[1, 1.0], [11, 0.0]])
    assert told(pruner, [(5, 0.49)], epoch=6) == [] and told(pruner, [(6, 0.51)], epoch=6) == [6]
    assert told(pruner, [(7, 9.0)], epoch=12) == []  # none of the others came as far
    pruner = Pruner("halving")
    for number in (1, 2):
        pruner.learn(number, [[1, 1.0], [11, 0.0]])
    assert told(pruner, [(3, 9.0)], epoch=5) == [3]  # the first one from 3 on that is told
    assert told(pruner, [(4, 0.1)], epoch=4) == [] and told(pruner, [(4, 9.0)], epoch=8) == []  # no rung since 4


def test_nothing_ends_where_nothing_is_asked():
    assert told(Pruner("none"), [(n, float(n)) for n in range(20)]) == []


def test_an_epoch_counts_once_and_what_was_told_is_kept():
    pruner = Pruner("median")
    for epoch, cost in ((1, 0.5), (1, 0.4), (2, 0.3), (0, 9.0)):
        pruner.tell(1, epoch, cost)
    assert pruner.told(1) == [[1, 0.5], [2, 0.3]]
    pruner.learn(2, [[1, 0.2]])
    assert pruner.told(2) == [[1, 0.2]]


def test_what_is_pruned_says_how_far_it_came():
    pruner = Pruner("halving")
    for number in (1, 2):
        pruner.tell(number, 1, 0.1)
    with pytest.raises(Pruned) as ended:
        pruner.tell(3, 1, 0.5)
    assert ended.value.facts == {"epochs": [[1, 0.5]]}
