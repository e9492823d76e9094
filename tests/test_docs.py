"""The code in the documents runs as it is written, block after block."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIMIT = 600  # seconds for a folder
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# The pages of a folder in one process, as a session takes long to start.
FOLDERS = {
    folder: [code for page in sorted((ROOT / folder).glob("*.md")) for code in BLOCK.findall(page.read_text())]
    for folder in ("docs", "docs/features")
} | {"README": BLOCK.findall((ROOT / "README.md").read_text())}


@pytest.mark.once
@pytest.mark.cluster
@pytest.mark.parametrize("folder", [name for name, code in FOLDERS.items() if code])
def test_the_code_of_the_documents_runs(folder, tmp_path):
    program = tmp_path / "document.py"
    program.write_text("\n\n".join(FOLDERS[folder]))
    place = {"PYSPARK_PYTHON": sys.executable, "SPARK_MASTER": "local[2]"}
    command = [sys.executable, program.name]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **place}, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
