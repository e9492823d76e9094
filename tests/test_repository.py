"""The rules of the repository that no linter knows: who may import whom, and what an import may cost."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "aiok_spark"
MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in PACKAGE.rglob("*.py")
)

# What each part of the package may import of the others.  Everything points downwards; a new folder
# needs a row here, which is the moment to decide where it belongs.
ANYTHING = {
    "core",
    "data",
    "feature",
    "inference",
    "kernels",
    "models",
    "nas",
    "session",
    "training",
    "tuning",
}
MAY_IMPORT = {
    "_version": set(),
    "_lazy": set(),
    "session": set(),
    "kernels": set(),
    "core": {"kernels"},
    "feature": {"core", "kernels"},
    "data": {"core", "kernels", "session"},
    "training": {"core", "kernels", "session", "data"},
    "models": {"core", "kernels", "session", "data", "feature", "training"},
    "tuning": {"core", "kernels", "session", "data", "feature", "training"},
    "nas": {"core", "kernels", "session", "data", "feature", "training", "models"},  # parts of networks
    "inference": {"core", "kernels"},
    "flow": {"core", "data", "feature", "inference", "session", "training"},
    "testing": ANYTHING,
    "cli": {"flow", "data", "tuning"},
    "aiok_spark": ANYTHING,
}
# What runs where the rows are trained on: these need torch, and no stage.  Stages import them late, or only name them.
# A subclass of torch's, scripts of torch, and what stands on libraries of extras: imported by who asks for them.
NEEDS_TORCH = ("aiok_spark.data.torch_dataset", "aiok_spark.training.orca_compat", "aiok_spark.tuning.services.")
WORKER_SIDE = (
    "aiok_spark.training.worker",
    "aiok_spark.models.networks",
    "aiok_spark.nas.networks",
    "aiok_spark.nas.scores",
    "aiok_spark.nas.worker",
)
KERNELS_STAND_ON = {"numpy", "pyarrow"} | sys.stdlib_module_names


def part_of(module):
    """Name the part a module belongs to: the first name below the package."""
    names = module.split(".")
    return names[1] if len(names) > 1 else names[0]


def imports_of(module):
    """List every module that a module imports, at its top or inside a function, by absolute name."""
    file = ROOT.joinpath(*module.split("."))
    package = module if file.is_dir() else module.rpartition(".")[0]
    source = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) + 1 - node.level]) if node.level else ""
            name = ".".join(filter(None, [base, node.module]))
            # `from aiok_spark import core` imports a part, `from aiok_spark import load` does not.
            parts = [f"{name}.{alias.name}" for alias in node.names if alias.name in MAY_IMPORT]
            yield from parts if name == "aiok_spark" and parts else [name]


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("module", MODULES)
def test_dependencies_point_downwards(module):
    part = part_of(module)
    assert part in MAY_IMPORT, f"rule 'every part has a row in MAY_IMPORT': aiok_spark/{part} has none"
    allowed = MAY_IMPORT[part] | {part, "_version", "_lazy", "aiok_spark"}
    for name in imports_of(module):
        if name.split(".")[0] == "aiok_spark":
            assert part_of(name) in allowed, (
                f"rule 'dependencies point downwards': {module} imports {name}, but {part} may import only "
                f"{sorted(MAY_IMPORT[part])}"
            )


@pytest.mark.parametrize("module", [m for m in MODULES if part_of(m) == "kernels"])
def test_kernels_stand_on_numpy_and_pyarrow_alone(module):
    for name in imports_of(module):
        assert name.split(".")[0] in KERNELS_STAND_ON or name.startswith("aiok_spark.kernels"), (
            f"rule 'kernels import only numpy and pyarrow': {module} imports {name}"
        )


@pytest.mark.parametrize("module", [m for m in MODULES if part_of(m) == "feature"])
def test_feature_does_not_import_torch(module):
    assert "torch" not in {name.split(".")[0] for name in imports_of(module)}, (
        f"rule 'feature does not import torch': {module} does"
    )


def test_imports_start_no_jvm_and_load_no_torch():
    driver_side = [module for module in MODULES if not module.startswith((*WORKER_SIDE, *NEEDS_TORCH))]
    result = run_python(f"""
import importlib, sys
from pyspark import SparkContext
sys.modules["torch"] = None  # an import of it fails, whether or not it is installed
for module in {driver_side}:
    importlib.import_module(module)
    assert SparkContext._gateway is None, f"{{module}} starts a JVM"
""")
    assert result.returncode == 0, f"rule 'every module imports without a JVM and without torch':\n{result.stderr}"


def test_kernels_and_workers_import_without_pyspark():
    kernels = [module for module in MODULES if part_of(module) == "kernels" or module.startswith(WORKER_SIDE)]
    result = run_python(f"""
import importlib, sys
sys.modules["pyspark"] = None
for module in {kernels}:
    importlib.import_module(module)
""")
    assert result.returncode == 0, f"rule 'kernels and worker code import where there is no pyspark':\n{result.stderr}"


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_documented_commands_are_make_targets(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for code in re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), re.DOTALL):
        named = set(re.findall(r"\bmake ([a-z]+)", code))
        assert named <= targets, (
            f"rule 'documented commands are make targets': {page.name} names {sorted(named - targets)}"
        )


def test_every_stage_is_in_the_readme_and_in_the_conformance_test():
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    tests = [(ROOT / "tests" / part / "test_conformance.py").read_text() for part in ("feature", "models")]
    tried = re.findall(r'^    ".*?": (\w+)\(', "\n".join(tests), re.MULTILINE)
    for part in ("feature", "models", "training"):
        source = (PACKAGE / part / "__init__.py").read_text()
        exported = ast.literal_eval(re.search(r"^__all__ = (\[.*?\])", source, re.MULTILINE | re.DOTALL)[1])
        stages = [name for name in exported if not name.endswith(("Model", "Summary"))]
        assert stages
        for stage in stages:
            assert stage in table, f"rule 'every stage is documented': README.md has no row for {stage}"
            assert stage in tried, f"rule 'every stage conforms': no test_conformance.py tries {stage}"
