"""Code by name: what can be imported, what comes from a notebook, and what cannot be found."""

import collections
import functools

import pytest

from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.references import is_live, reference, resolve


def notebook(source, name):
    """What a notebook's cell defines."""
    made = {"__name__": "__main__"}
    exec(source, made)
    return made[name]


def test_a_name_is_its_own_reference():
    assert reference("package.module:Name") == ("package.module:Name", {})


@pytest.mark.parametrize("code", [FeatureSpec, FeatureSpec.from_json, collections.OrderedDict, functools.reduce])
def test_what_can_be_imported_needs_only_its_name(code):
    name, live = reference(code)
    assert not live and not is_live(name)
    assert resolve(name, {}) == code


def test_a_class_within_a_class_is_found():
    assert resolve("aiok_spark.training.features:FeatureSpec.from_json", {}) == FeatureSpec.from_json


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (notebook("class Net: pass", "Net"), "Net"),
        (notebook("def loss(output, label): pass", "loss"), "loss"),
        (lambda features: None, "<lambda>"),
        (functools.partial(dict, a=1), "partial"),
    ],
    ids=["class of a notebook", "function of a notebook", "lambda", "partial"],
)
def test_what_nobody_can_import_comes_along(code, name):
    found, live = reference(code)
    assert is_live(found) and name in found
    assert live == {found: code} and resolve(found, live) is code


def test_the_name_of_live_code_changes_with_the_code_and_with_nothing_else():
    names = [reference(notebook(f"def f(x): return x + {n}", "f"))[0] for n in (1, 1, 2)]
    assert names[0] == names[1] != names[2]


def test_the_name_of_live_code_without_the_code_is_refused():
    with pytest.raises(ImportError, match="Net: found only its name, expected the code, which was in a notebook; move"):
        resolve(reference(notebook("class Net: pass", "Net"))[0], {})


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(
        ImportError, match=r"no_such:Net: found no module 'no_such' here, expected it on every executor"
    ):
        resolve("no_such:Net", {})


def test_a_module_that_a_module_misses_is_named(tmp_path, monkeypatch):
    (tmp_path / "needs_more.py").write_text("import not_installed")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"needs_more:Net: found no module 'not_installed' here"):
        resolve("needs_more:Net", {})


@pytest.mark.parametrize("path", ["Missing", "FeatureSpec.missing"])
def test_a_name_that_is_not_in_its_module_is_told(path):
    missing = path.rpartition(".")[2]
    with pytest.raises(ImportError, match=f":{path}: found no '{missing}' in aiok_spark.training.features, expected"):
        resolve(f"aiok_spark.training.features:{path}", {})
