"""check_stage finds each planted fault by its name, and no other, and passes what is right."""

import pytest

from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.testing import ConformanceError, check_stage
from aiok_spark.testing.rules import RULES
from tests.testing.faulty import FAULTS, Double, FitTime, TwoFaults
from tests.testing.stages import Centre, Shift

pytestmark = pytest.mark.two_modes

EVERY = 5  # of so many faults one is judged by all rules


@pytest.fixture(scope="module")
def small(spark):
    rows = [(i / 8, i * i, f"row {i}", None if i % 3 else float(i), float(i % 2)) for i in range(12)]
    return spark.createDataFrame(rows, "x double, n bigint, other string, sparse double, label double")


def configured(cls):
    """An instance that reads a column with nulls."""
    if hasattr(cls, "inputCols"):
        return cls(inputCols=["sparse"], outputCols=["y"])
    return cls(inputCol="sparse", outputCol="y")


def test_a_plain_transformer_passes(spark, mode, small):
    report = check_stage(Shift(inputCol="x", outputCol="y"), small)
    assert set(report.passed) | set(report.skipped) == set(RULES)
    said = set(report.skipped.values())
    assert {"not an estimator", "not a row-local stage of aiok_spark", "no labelCols were given"} <= said
    assert ("a Connect client cannot count jobs" in said) == (mode == "connect")


def test_a_plain_transformer_that_replaces_its_input_passes(spark, small):
    check_stage(Shift(inputCol="sparse", outputCol="sparse"), small)


def test_a_plain_estimator_and_its_model_pass(spark, small):
    estimator = Centre(inputCol="n", outputCol="y")
    check_stage(estimator, small, labelCols=["label"])
    check_stage(estimator.fit(small), small, labelCols=["label"])


def test_a_row_local_stage_passes(spark, small):
    assert not check_stage(configured(Double), small).failed


def with_needs(names):
    """Rules, and all without which they cannot be judged."""
    return {need for name in names for need in with_needs(RULES[name].needs)} | set(names)


@pytest.mark.once
@pytest.mark.parametrize(("cls", "rules"), FAULTS, ids=lambda x: getattr(x, "__name__", ""))
def test_a_fault_is_found_by_its_name(small, cls, rules):
    labels = ["label"] if issubclass(cls, Centre) else []
    tried = set(RULES) - {"cross_validates"} if FAULTS.index((cls, rules)) % EVERY == 0 else with_needs(rules)
    skip = {name: "2026-11-22: takes long, so all rules judge some faults alone" for name in set(RULES) - tried}
    with pytest.raises(ConformanceError) as error:
        check_stage(configured(cls), small, labelCols=labels, skip=skip)
    assert set(error.value.report.failed) == set(rules), str(error.value)
    assert all(f"  {rule} (" in str(error.value) for rule in rules)


def test_a_fit_time_stage_passes(spark, small):
    check_stage(configured(FitTime), small)


def test_every_rule_that_a_fault_can_break_is_tried():
    broken = {rule for _, rules in FAULTS for rule in rules}
    assert broken <= set(RULES)
    assert len(broken) >= 30


def test_all_failures_are_told_at_once(spark, small):
    with pytest.raises(ConformanceError, match=r"2 of \d+ rules do not hold") as error:
        check_stage(TwoFaults(inputCol="x", outputCol="y"), small)
    assert list(error.value.report.failed) == ["params_have_getters_and_setters", "params_are_explained"]
    assert "found no TwoFaults.setAmount, expected a getter and a setter for each Param" in str(error.value)
    assert isinstance(error.value, AssertionError)


@pytest.mark.parametrize("reason", ["", "2025-01-31", "slow", "2025-01-31: "])
def test_a_rule_is_skipped_for_a_dated_reason_only(spark, small, reason):
    with pytest.raises(ParamError, match="expected a date and why"):
        check_stage(Shift(inputCol="x"), small, skip={"streams": reason})


def test_an_unknown_rule_cannot_be_skipped(spark, small):
    with pytest.raises(ParamError, match="did you mean 'streams'"):
        check_stage(Shift(inputCol="x"), small, skip={"stream": "2025-01-31: sorts"})


def test_no_rows_are_no_test(spark, small):
    with pytest.raises(DataError, match="found no rows, expected a few dozen"):
        check_stage(Shift(inputCol="x"), small.limit(0))


def test_saved_stages_go_where_they_are_told(spark, small, tmp_path):
    check_stage(Shift(inputCol="x", outputCol="y"), small, path=str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 1
