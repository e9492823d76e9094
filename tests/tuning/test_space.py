"""What a search may change: found, checked, saved."""

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.ml import Pipeline
from pyspark.ml.param import Param, Params, TypeConverters

from aiok_spark.core.errors import ParamError
from aiok_spark.tuning import SearchSpace
from aiok_spark.tuning.binding import named_stages
from aiok_spark.tuning.dimensions import Dimension


class Model(Params):
    """Like a Spark ML estimator, without a JVM."""

    rate = Param(Params._dummy(), "rate", "learning rate", TypeConverters.toFloat)
    depth = Param(Params._dummy(), "depth", "layers", TypeConverters.toInt)
    solver = Param(Params._dummy(), "solver", "one of a few", TypeConverters.toString)
    widths = Param(Params._dummy(), "widths", "layers", TypeConverters.toListInt)


class Other(Model):
    """Another stage with the same Params."""


def full(model):
    return (
        SearchSpace()
        .addCategorical(model.solver, ["sgd", "adam"])
        .addFloat(model.rate, 1e-4, 1e-1, log=True, when={model.solver: ["sgd"]})
        .addInt("Model.depth", 1, 9, log=True)
        .addCategorical(model.widths, [[64], [64, 32]])
        .addConstraint({model.depth: 2.0, model.rate: -1.0}, high=14)
    )


def test_params_are_found_by_themselves_and_by_name():
    model, other = Model(), Other()
    pipeline = Pipeline(stages=[model, other])
    space = SearchSpace().addFloat(other.rate, 0.0, 1.0).addInt("Model.depth", 1, 3).bind(pipeline)
    assert space.params == {"Other.rate": other.rate, "Model.depth": model.depth}
    assert space.param_map({"Other.rate": 0.5, "Model.depth": 2}) == {other.rate: 0.5, model.depth: 2}


def test_stages_of_one_class_have_numbers_whatever_their_uids():
    first, second = Model(), Model()
    pipeline = Pipeline(stages=[first, Other(), second])
    assert list(named_stages(pipeline)) == ["Pipeline", "Model[0]", "Model[1]", "Other"]
    assert SearchSpace().addInt(second.depth, 1, 3).bind(pipeline).dimensions[0].name == "Model[1].depth"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"solver": "sgd", "rate": 0.01, "depth": 3, "widths": [64]}, {"rate": 0.01}),
        ({"solver": "sgd", "rate": 0.5, "depth": 3, "widths": [64]}, {"rate": 0.1}),  # the nearest
        ({"solver": "sgd", "rate": 0.0, "depth": 0, "widths": [64]}, {"rate": 1e-4, "depth": 1}),
        (
            {"solver": "lbfgs", "rate": 0.01, "depth": 3, "widths": [32]},
            {"solver": "sgd", "widths": "[64]", "rate": 0.01},
        ),
        ({"solver": "adam", "depth": 3, "widths": [64]}, {"solver": "adam"}),  # the rate counts for sgd
        ({"solver": "sgd", "depth": 3, "widths": [64]}, {"rate": pytest.approx(10**-2.5)}),  # the middle
        ({"solver": "sgd", "rate": 0.01, "depth": 8, "widths": [64]}, None),  # the constraint
    ],
)
def test_what_the_stages_have_is_a_point_of_the_space_or_near_one(settings, found):
    model = Model()
    for name, value in settings.items():
        model.set(model.getParam(name), value)
    wanted = found and {f"Model.{k}": v for k, v in {"solver": "sgd", "depth": 3, "widths": "[64]", **found}.items()}
    assert full(model).bind(model).present(model) == wanted


def test_constraints_limit_numbers_of_the_space():
    model = Model()
    with pytest.raises(ParamError, match="no limit"):
        SearchSpace().addConstraint({model.depth: 1.0})
    space = SearchSpace().addInt(model.depth, 1, 3).addCategorical(model.solver, ["a", "b"])
    for other, why in ((model.rate, "does not change"), (model.solver, "has no numbers")):
        told = SearchSpace.fromJson(space.toJson()).addConstraint({other: 1.0}, high=3)
        with pytest.raises(ParamError, match=f"{why}, expected some of .*Model.depth"):
            told.bind(model)


def test_slips_are_told_where_they_are_made():
    model = Model()
    with pytest.raises(ParamError, match=r"limits 1.5 and 3, expected whole"):
        SearchSpace().addInt(model.depth, 1.5, 3)
    space = SearchSpace().addCategorical(model.solver, ["a", "b"]).addInt(model.depth, 1, 3, when={model.solver: "a"})
    with pytest.raises(ParamError, match="found 'a', expected a list"):
        space.bind(model)
    assert repr(SearchSpace().addInt("depth", 1, 3)) == "SearchSpace(depth: [1, 3])"


def test_json_holds_for_other_objects_of_the_same_stages():
    text = full(model := Model()).toJson(model)
    again = SearchSpace.fromJson(text)
    assert again.toJson(Model()) == text
    assert again == SearchSpace.fromJson(text) and again != SearchSpace.fromJson(text).addFloat("x", 0, 1)
    assert SearchSpace.fromJson(full(model).toJson()) == full(model)  # by uids
    told = json.loads(text)
    assert [d["param"] for d in told["dimensions"]] == ["Model.solver", "Model.rate", "Model.depth", "Model.widths"]
    assert told["dimensions"][1] == {
        "param": "Model.rate",
        "kind": "float",
        "low": 1e-4,
        "high": 0.1,
        "log": True,
        "when": {"Model.solver": ["sgd"]},
    }
    assert told["constraints"] == [{"weights": {"Model.depth": 2.0, "Model.rate": -1.0}, "high": 14.0}]


@given(seed=st.integers(0, 2**32))
def test_what_is_drawn_is_within_all_limits(seed):
    model = Model()
    space = full(model).bind(model)
    values = space.draw(random.Random(seed))
    assert ("Model.rate" in values) == (values["Model.solver"] == "sgd")
    assert 1 <= values["Model.depth"] <= 9 and 2 * values["Model.depth"] - values.get("Model.rate", 0) <= 14
    assert json.loads(json.dumps(values)) == values
    settings = space.param_map(values)
    assert settings[model.widths] in ([64], [64, 32])
    model.copy(settings)  # and the converters take them
    points = space.points(values)
    assert all(d.axis.has(points[d.name]) for d in space.dimensions if d.name in points)


@pytest.mark.parametrize(
    "dimension",
    [
        Dimension("d", "float", 2.0, 5.0),
        Dimension("d", "float", 1e-3, 10.0, log=True),
        Dimension("d", "int", -3, 4),
        Dimension("d", "int", 1, 1000, log=True),
        Dimension("d", "grid", values=(8, 16, 64)),
        Dimension("d", "categorical", values=(True, [1]), labels=("true", "[1]")),
    ],
    ids=["float", "log", "int", "log int", "grid", "categorical"],
)
def test_an_axis_reaches_all_values_and_back(dimension):
    axis = dimension.axis
    found = [dimension.value(axis.at(i / 4096)) for i in range(4096)]
    if dimension.kind == "float":
        assert min(found) == pytest.approx(dimension.low) and dimension.high - max(found) < 0.01 * dimension.high
        middle = math.sqrt(1e-3 * 10.0) if dimension.log else 3.5
        assert sorted(found)[2048] == pytest.approx(middle, rel=0.01)
    else:
        expected = {
            "int": set(range(int(dimension.low), int(dimension.high) + 1)),
            "grid": {8, 16, 64},
            "categorical": {"true", "[1]"},
        }
        few = dimension.kind == "int" and dimension.log  # 4096 draws do not reach all of a thousand
        assert set(found) == expected[dimension.kind] or (few and {1, 2, 3} <= set(found) and max(found) > 990)
    assert all(axis.has(dimension.point(value)) for value in found)
    assert not axis.has(None) and not axis.has("no")


def test_a_stage_may_be_a_value_under_a_name():
    first, second = Model(), Other()
    pipeline = Pipeline(stages=[first])
    space = SearchSpace().addCategorical(pipeline.stages, {"model": [first], "other": [second]})
    bound = space.bind(pipeline)
    assert bound.param_map({"Pipeline.stages": "other"}) == {pipeline.stages: [second]}
    with pytest.raises(ParamError, match=r"Pipeline\.stages: found categories that JSON cannot hold"):
        space.toJson(pipeline)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s, m: s, "found no Params, expected at least one"),
        (lambda s, m: s.addFloat("Model.rat", 0, 1), r"found 'Model\.rat', .*did you mean 'Model\.rate'"),
        (lambda s, m: s.addFloat("rat", 0, 1), "found 'rat', .*did you mean 'rate'"),
        (lambda s, m: s.addFloat(Other().rate, 0, 1), "expected a Param of the estimator's stages"),
        (lambda s, m: s.addFloat(m.rate, 1, 0), r"Model\.rate: found limits 1\.0 and 0\.0, .*the lower one first"),
        (lambda s, m: s.addFloat(m.rate, 0, 1, log=True), r"found log=True from 0\.0, expected a lower limit above 0"),
        (lambda s, m: s.addFloat(m.rate, 0, math.inf), "expected two finite numbers"),
        (lambda s, m: s.addCategorical(m.solver, ["a"]), "found 1 values, expected at least two"),
        (lambda s, m: s.addCategorical(m.solver, ["a", "a"]), "expected different values"),
        (
            lambda s, m: s.addCategorical(m.depth, [1, "x"]),
            r"depth: found 'x', which the Param refuses .*it is: layers",
        ),
        (lambda s, m: s.addFloat(m.solver, 0, 1), r"solver: found 0\.0, which the Param refuses"),
        (lambda s, m: s.addFloat(m.rate, 0, 1).addFloat("rate", 0, 1), r"found Model\.rate twice"),
        (lambda s, m: s.addFloat(m.rate, 0, 1, when={m.depth: [1]}).addInt(m.depth, 1, 2), "added before"),
        (
            lambda s, m: s.addCategorical(m.solver, ["a", "b"]).addFloat(m.rate, 0, 1, when={m.solver: ["c"]}),
            r"when: Model\.solver: found 'c', expected one of \['a', 'b'\]",
        ),
        (lambda s, m: s.addCategorical(m.solver, [Model(), Model()]), "values that are no JSON .*give a dict"),
    ],
)
def test_what_cannot_be_is_told_before_any_trial(make, message):
    model = Model()
    with pytest.raises(ParamError, match=message):
        make(SearchSpace(), model).bind(model)


def test_a_name_of_several_stages_is_refused():
    with pytest.raises(ParamError, match=r"'rate', which \['Model', 'Other'\] have, .*write 'Model\.rate'"):
        SearchSpace().addFloat("rate", 0, 1).bind(Pipeline(stages=[Model(), Other()]))


def test_constraints_that_nothing_meets_are_told():
    model = Model()
    space = SearchSpace().addFloat(model.rate, 0.0, 1.0).addConstraint({model.rate: 1.0}, low=2.0).bind(model)
    with pytest.raises(ParamError, match="no point that meets the constraints"):
        space.draw(random.Random(0))
