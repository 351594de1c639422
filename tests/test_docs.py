"""What the documentation tells people to do, done."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from contexts import NO_CALENDAR, NOTHING_AHEAD, small_context
from projects import REPOSITORY
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Method, forecast_all
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput


def code_blocks(page: str, language: str) -> list[str]:
    text = (REPOSITORY / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_method_of_the_docs_forecasts() -> None:
    code, _ = code_blocks("docs/your-own-method.md", "python")
    declared, _ = code_blocks("docs/your-own-method.md", "yaml")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    names: dict[str, type[Method]] = {}
    exec(f"import pandas as pd\n{code}", names)
    options = yaml.safe_load(declared)["turnover"]["methods"]["recent_mean"]
    method = names["RecentMean"](weeks=options["weeks"])
    panel = pd.DataFrame(
        {
            "store": 1,
            "department": 88,
            "week": pd.date_range("2017-01-07", periods=10, freq="7D"),
            "turnover": range(10),
        }
    )
    thresholds = yaml.safe_load(
        (REPOSITORY / "conf/base/parameters/turnover.yml").read_text().split("  # --- model")[0]
    )
    shifts = LevelShiftParams(**thresholds["turnover"]["level_shifts"])
    context = ForecastContext.latest(
        ModelInput(panel, pd.DataFrame({"store": [1]}), NO_CALENDAR, NOTHING_AHEAD), shifts
    )
    forecast_index = pd.DataFrame({"store": [1], "department": [88], "week": [pd.Timestamp("2017-03-18")]})
    assert forecast_all(method, context, forecast_index, method.fit(context))["forecast"].item() == 6.5


def test_the_foundation_model_of_the_docs_forecasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, code = code_blocks("docs/your-own-method.md", "python")
    _, declared = code_blocks("docs/your-own-method.md", "yaml")
    (tmp_path / "my_models.py").write_text(code)
    np.save(tmp_path / "weights.npy", [0.5, 2.0, 3.0])
    monkeypatch.syspath_prepend(tmp_path)
    options = yaml.safe_load(declared)["turnover"]["methods"]["foundation"]
    method = Methods({"foundation": options | {"weights": str(tmp_path / "weights.npy")}}).root["foundation"]
    context = small_context(np.arange(60.0)[None])
    week = context.cutoff + pd.Timedelta(weeks=3)
    forecast_index = pd.DataFrame({"store": [0], "department": ["bikes"], "week": [week]})
    assert forecast_all(method, context, forecast_index, {})["forecast"].item() == 2 * (60 - 52 + 2)


LINKS = [
    (page.relative_to(REPOSITORY).as_posix(), target)
    for page in sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
    for target in dict.fromkeys(re.findall(r"\]\(([^)#]+)\)", page.read_text()))
    if not target.startswith("https://")
]


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_links_lead_somewhere(page: str, target: str) -> None:
    assert ((REPOSITORY / page).parent / target).exists()


def test_make_targets_that_the_readme_names_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    named = re.findall(r"(?:`|^)make ([a-z-]+)", (REPOSITORY / "README.md").read_text(), flags=re.M)
    assert {"run", "test"} <= set(named)
    for target in named:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
