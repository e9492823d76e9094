"""The generator of Criteo-shaped rows."""

import numpy as np
import pytest

from aiok_spark.testing import bayes_auc, generate_criteo
from aiok_spark.testing.criteo import _BLOCK, CATEGORIES, NUMBERS, _Cells, _parts, _scales


def test_rows_have_criteos_shape_and_do_not_depend_on_partitions(spark):
    df = generate_criteo(spark, _BLOCK + 5, seed=3, probability=True)
    rows = df.toPandas()
    assert list(rows) == ["label", *NUMBERS, *CATEGORIES, "click_probability"]
    assert len(rows) == _BLOCK + 5
    again = generate_criteo(spark, _BLOCK + 5, seed=3, probability=True).repartition(7).toPandas()
    keys = ["click_probability", "I5", "C3"]
    assert rows.sort_values(keys, ignore_index=True).equals(again.sort_values(keys, ignore_index=True))
    assert rows["C3"].dropna().str.fullmatch("[0-9a-f]{8}").all()
    assert set(rows["label"]) == {0, 1}
    assert 0.4 < rows["I12"].isna().mean() < 0.9 and rows["I2"].notna().all() and rows["I2"].min() < 0
    assert rows["C9"].nunique() == 3 and rows["C3"].nunique() > 1000
    assert abs(rows["label"].mean() - rows["click_probability"].mean()) < 3 * (0.25 / len(rows)) ** 0.5


def test_the_best_auc_is_known_and_that_of_the_probability(spark):
    rows = generate_criteo(spark, 20_000, seed=1, probability=True).toPandas()
    ones, zeros = (rows["click_probability"][rows["label"] == kind].to_numpy() for kind in (1, 0))
    pairs = (np.searchsorted(np.sort(zeros), ones)).sum() / (len(ones) * len(zeros))
    assert bayes_auc(20_000, seed=1) == pytest.approx(pairs, abs=1e-9)
    assert 0.78 <= bayes_auc(200_000) <= 0.82


def test_ids_make_more_than_half_of_the_logit_and_pairs_are_part_of_it():
    numbers, main, pairs = (
        part * scale
        for part, (_, scale) in zip(_parts(_Cells.drawn(np.random.default_rng(0), 50_000)), _scales(), strict=True)
    )
    variance = np.var(numbers + main + pairs)
    assert np.var(main + pairs) / variance > 0.5
    assert np.var(pairs) / variance > 0.2


def test_no_rows_are_refused(spark):
    with pytest.raises(ValueError, match="rows: found 0, expected at least 1"):
        generate_criteo(spark, 0)
