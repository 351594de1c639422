"""docs/tutorial.md, line by line: its first half on the finished sample, its second on a project of its own."""

import contextlib
import shlex
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from projects import SMALL, Project
from test_docs import code_blocks

PAGE = "docs/tutorial.md"
FIRST, LEFT, CHECK, RUN = range(4)


def lines(block: int) -> list[list[str]]:
    commands = code_blocks(PAGE, "bash")
    assert len(commands) == RUN + 1
    return [shlex.split(line, comments=True) for line in commands[block].splitlines()]


def test_what_the_first_run_has_left_can_be_read(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lines(FIRST) == [["make", "run"], ["source", ".venv/bin/activate"]]
    reading, _ = code_blocks(PAGE, "python")
    with contextlib.chdir(finished.folder):
        exec(reading, {})
    printed = capsys.readouterr().out
    assert printed.split()[:4] == ["week", "forecast", "lo_80", "hi_80"]
    assert len(printed.splitlines()) == 1 + 8
    for program, *arguments in lines(LEFT):
        assert program == "sales-forecast"
        result = finished.command(*arguments)
        assert result.exit_code == 0, result.output


@pytest.mark.xdist_group("tutorial")
def test_the_bakery_of_the_tutorial_is_checked_and_forecast(
    copied: Callable[[Path], Project], tmp_path: Path
) -> None:
    project, files = copied(tmp_path / "project"), tmp_path / "bakery"
    _, making = code_blocks(PAGE, "python")
    exec(making.replace("/tmp/bakery", str(files)), {})
    for block in code_blocks(PAGE, "yaml"):
        path = project.folder / block.partition("\n")[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.replace("/tmp/bakery", str(files)))
    ((program, _, *checked),) = lines(CHECK)
    assert program == "kedro"
    code, output = project.run(*checked)
    assert code == 0, output[-3000:]
    assert len(pd.read_parquet(project.path("02_intermediate/turnover/forecast_index.parquet"))) == 6 * 2 * 8

    _shorten(project.folder / "conf/bakery/parameters.yml")
    (_, _, *run), (_, *listed) = lines(RUN)
    code, output = project.run(*run)
    assert code == 0, output[-3000:]
    models = project.command(*listed)
    assert "sales_forecast.turnover.bakery" in models.output
    forecasts = pd.read_parquet(project.path("07_model_output/turnover/forecasts.parquet"))
    assert len(forecasts) == 6 * 2 * 8
    backtest = pd.read_parquet(project.path("06_models/turnover/scores.parquet"))
    assert backtest.loc[backtest["method"] == "blend", "wape"].mean() < 0.12, "the noise is 0.08"


def _shorten(parameters: Path) -> None:
    """Few windows and few trees: how long a whole run takes is said elsewhere."""
    content = yaml.safe_load(parameters.read_text())
    content["turnover"] |= SMALL
    parameters.write_text(yaml.safe_dump(content))
