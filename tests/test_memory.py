"""Memory goes back to the system once it is not needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

START = """
import {module}
{call}
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
"""


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("sales_forecast.startup", "sales_forecast.startup.prepare()"),
        ("sales_forecast.__main__", "sales_forecast.__main__.main()"),
    ],
)
def test_a_start_limits_what_libraries_keep(tmp_path: Path, module: str, call: str) -> None:
    script = tmp_path / "start.py"
    script.write_text(START.format(module=module, call=call))
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "system\n"
