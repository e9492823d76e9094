"""Configuration files are checked key by key."""

from pathlib import Path

import pytest

from aiok_spark.core.errors import ConfError
from aiok_spark.flow.recipe import configured

CONF = Path(__file__).parents[2] / "conf"


@pytest.mark.parametrize("name", ["dlrm.yaml", "dlrm_small.yaml"])
def test_the_files_that_are_shipped_are_taken(name):
    recipe, conf = configured(str(CONF / name), ["input=/rows", "model.epochs=7", "testFraction=0.25"])
    assert recipe.name == "dlrm/pipeline.py"
    assert (conf.input, conf.model["epochs"], conf.testFraction) == ("/rows", 7, 0.25)
    network = recipe.build(conf).getStages()[-1]
    assert network.getEpochs() == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("minFreqency=3", r"found the unknown key 'minFreqency', .*did you mean 'minFrequency'\?"),
        ("minFrequency=many", r"minFrequency \(values seen .*\): found 'many'; input should be a valid integer"),
        ("minFrequency=0", r"minFrequency .*: found 0; input should be greater than or equal to 1"),
        ("badRows=ignore", r"badRows .*: found 'ignore'; input should be 'stop' or 'skip'"),
        ("testFraction=1.5", r"testFraction .*: found 1.5; input should be less than 1"),
        ("seed", r"--set seed: found no '=', expected key=value"),
        ("seed.a=1", r"--set seed.a=1: found a value at seed"),
        ("recipe=../nowhere.py", r"recipe: found no Python file .*nowhere.py"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, change, message):
    file = tmp_path / "conf" / "mine.yaml"
    file.parent.mkdir()
    recipe = "../nowhere.py" if change.startswith("recipe") else str(CONF.parent / "recipes/dlrm/pipeline.py")
    file.write_text((CONF / "dlrm.yaml").read_text().replace("../recipes/dlrm/pipeline.py", recipe))
    with pytest.raises(ConfError, match=message) as raised:
        configured(str(file), [change])
    assert "\n" not in str(raised.value)


def test_an_unknown_param_of_the_network_is_named():
    recipe, conf = configured(str(CONF / "dlrm.yaml"), ["model.epoch=3"])
    with pytest.raises(ValueError, match=r"DLRMClassifier.*found no Param 'epoch', .*did you mean 'epochs'\?"):
        recipe.build(conf)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b", "found list, expected keys and values"),
        ("a: [1", "found no YAML"),
        ("input: rows", "found no key recipe, expected the recipe's Python file"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, text, message):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfError, match=message):
        configured(str(file), [])


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ConfError, match=r"/nowhere/dlrm.yaml: found no file that can be read"):
        configured("/nowhere/dlrm.yaml", [])


def test_a_recipe_without_its_parts_is_refused(tmp_path):
    (tmp_path / "half.py").write_text("ROWS = None\n")
    (tmp_path / "half.yaml").write_text("recipe: half.py\n")
    with pytest.raises(ConfError, match=r"half.py: found no Conf, expected \('Conf', 'ROWS', 'build_pipeline'\)"):
        configured(str(tmp_path / "half.yaml"), [])
