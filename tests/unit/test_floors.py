"""What a short command must not pay for: heavy libraries are imported where they are used (import-linter holds the
floors themselves).
"""

import subprocess
import sys

import pytest

HEAVY = {
    "pydicom",
    "numpy",
    "pyarrow",
    "duckdb",
    "sqlalchemy",
    "alembic",
    "pydantic",
    "structlog",
    "PIL",
    "gdcm",
}

LIGHT = [
    "hilum",
    "hilum.errors",
    "hilum.kernel.logging",
    "hilum.model.work",
    "hilum.model.codec",
    "hilum.storage",
]


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_module_brings_in_no_heavy_library(module):
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & sys.modules.keys()))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == []
