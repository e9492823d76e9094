"""The code in the documents runs as it is written, block after block."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIMIT = 600  # seconds for a document
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = {path: re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL) for path in DOCUMENTS}


@pytest.mark.once
@pytest.mark.cluster
@pytest.mark.parametrize("path", [p for p, code in CODE.items() if code], ids=lambda path: path.stem)
def test_the_code_of_a_document_runs(path, tmp_path):
    program = tmp_path / "document.py"
    program.write_text("\n\n".join(CODE[path]))
    place = {"PYSPARK_PYTHON": sys.executable, "SPARK_MASTER": "local[2]"}
    command = [sys.executable, program.name]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **place}, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
