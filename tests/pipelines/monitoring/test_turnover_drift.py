"""What changed in the data: two shops with known weeks, and Evidently itself where it is set up."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from browser import NEEDS_CHROMIUM, browser
from contexts import NO_COVARIATES, NO_SHIFTS
from projects import REPOSITORY
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.panel.calendar import weekly_calendar
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.monitoring.params import DriftParams
from sales_forecast.pipelines.monitoring.turnover_drift import describe_drift, sample_drift_rows
from sales_forecast.pipelines.monitoring.turnover_drift_section import columns_found, report_drift
from sales_forecast.reporting import Section, Table, render_section
from watcher import WATCHER

EVIDENTLY = REPOSITORY / ".venv-evidently"
NEEDS_EVIDENTLY = pytest.mark.skipif(
    not (EVIDENTLY / ".ready").exists(), reason=".venv-evidently is not set up: make evidently"
)
DRIFT = DriftParams(weeks=8, rows=1000, features=("mean_?", "lag_52"), environment="nowhere", seed=1)
WEEKS = pd.date_range("2013-01-05", periods=200, freq="7D")
LAST = WEEKS[-1]
WEEK = pd.Timedelta(weeks=1)


def shops(turnover: list[object], weeks: int = 200) -> ModelInput:
    """Stores of one department, numbered from 0, each with its turnover in the last so many weeks."""
    count, shown = len(turnover), WEEKS[-weeks:]
    panel = pd.DataFrame(
        {
            "store": np.repeat(np.arange(count), weeks),
            "department": "bikes",
            "week": np.tile(shown, count),
            "turnover": np.concatenate([np.broadcast_to(row, weeks) for row in turnover]).astype(float),
        }
    )
    places = {"latitude": 44.8, "longitude": -0.6, "region": "south", "zone": "1", "school_zone": "none"}
    stores = pd.DataFrame({"store": range(count), "postcode": "33000"} | places)
    calendar = weekly_calendar(WEEKS[0].date(), LAST.date(), "FR", ["none"])
    return ModelInput(panel, stores, calendar, NO_COVARIATES)


def serving(forecasts: pd.DataFrame | None = None) -> SimpleNamespace:
    """A model that serves, with past forecasts ``store, week, horizon, forecast``."""
    if forecasts is None:
        forecasts = pd.DataFrame(columns=["store", "week", "horizon", "forecast"]).astype(
            {"store": int, "week": "datetime64[ns]", "horizon": int, "forecast": float}
        )
    model = SimpleNamespace(context=lambda data: ForecastContext.latest(data, NO_SHIFTS))
    backtest = forecasts.assign(department="bikes")
    return SimpleNamespace(package=SimpleNamespace(model=model, backtest=backtest))


def forecasts(horizons: dict[int, float], week: pd.Timestamp = LAST) -> pd.DataFrame:
    """Forecasts of store 0 for a week, and for the same week of last year."""
    return pd.DataFrame(
        {"store": 0, "week": each, "horizon": horizon, "forecast": forecast}
        for each in (week - 52 * WEEK, week)
        for horizon, forecast in horizons.items()
    )


def test_the_last_weeks_stand_beside_the_same_weeks_of_last_year() -> None:
    rows = sample_drift_rows(serving(), shops([range(200), 7]), DRIFT)
    own = rows[rows["store"] == 0]
    assert list(own["year"]) == ["last year"] * 8 + ["this year"] * 8
    assert list(own["turnover"]) == [*range(140, 148), *range(192, 200)]
    assert list(own["week"]) == [*WEEKS[140:148], *WEEKS[192:200]]
    assert own["turnover_over_mean_week"].iloc[-1] == pytest.approx(199 / np.mean(range(140, 192)))


def test_features_are_those_that_the_model_saw_before_the_weeks_came() -> None:
    data = shops([range(200), 7])
    rewritten = data.panel.assign(
        turnover=data.panel["turnover"].where(data.panel["week"] <= LAST - 8 * WEEK, 9000.0)
    )
    rows, others = (
        sample_drift_rows(serving(), each, DRIFT) for each in (data, replace(data, panel=rewritten))
    )
    features = ["mean_1", "mean_2", "mean_4", "mean_8", "lag_52"]
    assert [name for name in rows if name in features] == features
    pd.testing.assert_frame_equal(rows[features], others[features])
    assert (others.loc[others["year"] == "this year", "turnover"] == 9000).all()
    last_year, this_year = rows[rows["store"] == 0].groupby("year")["mean_1"].first()
    assert last_year == pytest.approx((139 / np.mean(range(88, 140))) ** 0.5, rel=1e-6)
    assert this_year == pytest.approx((191 / np.mean(range(140, 192))) ** 0.5, rel=1e-6)


def test_errors_are_those_of_forecasts_made_as_far_ahead() -> None:
    rows = sample_drift_rows(serving(forecasts({2: 1.0, 7: 249.0, 5: 2.0})), shops([range(200), 7]), DRIFT)
    known = rows[rows["error"].notna()]
    assert list(known["error"]) == [249 - 147, 249 - 199]  # the last of eight weeks: 7 weeks ahead is nearest
    assert list(known["error_over_mean_week"]) == pytest.approx([102 / 113.5, 50 / 165.5])


def test_a_week_like_no_other_does_not_hide_the_rest() -> None:
    sold = np.ones(200)
    sold[-1] = 1000
    rows = sample_drift_rows(serving(forecasts({8: 0.0})), shops([sold]), DRIFT)
    assert rows.iloc[-1][["turnover", "turnover_over_mean_week", "error_over_mean_week"]].to_list() == [
        *(1000, 25, -25)
    ]


def test_without_past_forecasts_there_are_no_errors_to_compare() -> None:
    only_now = forecasts({1: 5.0}).tail(1)
    assert "error" not in sample_drift_rows(serving(only_now), shops([range(200)]), DRIFT)


def test_a_gap_is_no_week() -> None:
    data = shops([range(200)])
    gap = data.panel.assign(turnover=data.panel["turnover"].where(data.panel["week"] != LAST))
    rows = sample_drift_rows(serving(), replace(data, panel=gap), DRIFT)
    assert list(rows["year"].value_counts()) == [8, 7]


def test_rows_are_drawn_with_the_seed_and_each_year_has_as_many() -> None:
    data = shops([range(200)] * 40)
    few = DRIFT.model_copy(update={"rows": 100})
    rows, again = (sample_drift_rows(serving(), data, few) for _ in range(2))
    assert list(rows["year"].value_counts()) == [100, 100]
    pd.testing.assert_frame_equal(rows, again)
    assert rows["week"].groupby(rows["year"]).apply(lambda weeks: weeks.is_monotonic_increasing).all()
    other = sample_drift_rows(serving(), data, few.model_copy(update={"seed": 2}))
    assert not rows.equals(other)


@pytest.mark.parametrize(("changed", "columns"), [({"features": ("spread",)}, ["spread"]), ({}, None)])
def test_features_are_chosen_by_name(changed: dict[str, object], columns: list[str] | None) -> None:
    rows = sample_drift_rows(serving(), shops([range(200)]), DRIFT.model_copy(update=changed))
    known = columns or ["mean_1", "mean_2", "mean_4", "mean_8", "lag_52"]
    assert list(rows.columns[6:]) == known


def test_all_features_can_be_asked_for() -> None:
    everything = DRIFT.model_copy(update={"features": ("*",)})
    rows = sample_drift_rows(serving(forecasts({1: 5.0})), shops([range(200)]), everything)
    assert len(rows.columns) > 60
    assert "horizon" not in rows  # the same in both years


@pytest.mark.parametrize("weeks", [4, 8])
def test_so_many_weeks_are_compared(weeks: int) -> None:
    rows = sample_drift_rows(serving(), shops([range(200)]), DRIFT.model_copy(update={"weeks": weeks}))
    assert len(rows) == 2 * weeks


# --- what the report says where there is none ------------------------------------------------------


def said(section: Section) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", render_section(section, "turnover.drift")))


def test_a_history_of_a_year_is_too_short_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rows = sample_drift_rows(serving(), shops([range(59)], weeks=59), DRIFT)
    assert rows.empty
    page, findings = describe_drift(rows, DRIFT)
    for text in (page, findings["not_made"], caplog.text, said(report_drift(rows, findings, ""))):
        assert "it needs more than a year and 8 weeks of turnover" in text


def test_a_short_history_is_compared_by_what_is_known_in_both_years() -> None:
    rows = sample_drift_rows(serving(), shops([range(70)], weeks=70), DRIFT)
    assert len(rows) == 16
    assert "mean_1" in rows


def test_without_evidently_the_section_says_how_to_get_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rows = sample_drift_rows(serving(), shops([range(200)]), DRIFT)
    page, findings = describe_drift(rows, DRIFT)
    for text in (page, caplog.text, said(report_drift(rows, findings, ""))):
        assert "make evidently" in text


def pretend(folder: Path, script: str) -> DriftParams:
    """An environment whose Python is a script."""
    (folder / "bin").mkdir()
    (folder / ".ready").touch()
    program = folder / "bin/python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return DRIFT.model_copy(update={"environment": str(folder)})


def test_a_failing_program_stops_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    drift = pretend(tmp_path, "echo 'ValueError: <no>' >&2; exit 3")
    rows = sample_drift_rows(serving(), shops([range(200)]), drift)
    page, findings = describe_drift(rows, drift)
    assert findings["not_made"] == "Evidently failed (exit code 3): ValueError: <no>"
    assert "&lt;no&gt;" in page
    assert [record.levelname for record in caplog.records if "exit code 3" in record.message] == ["WARNING"]


def test_evidently_is_told_not_to_track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    monkeypatch.setenv("PYTHONPATH", "ours")
    drift = pretend(tmp_path, f"env > {tmp_path}/seen; exit 1")
    describe_drift(sample_drift_rows(serving(), shops([range(200)]), drift), drift)
    seen = (tmp_path / "seen").read_text().splitlines()
    assert "DO_NOT_TRACK=1" in seen
    assert not [line for line in seen if line.startswith("PYTHONPATH=")]


# --- the section -----------------------------------------------------------------------------------


def metric(column: str, value: float, method: str = "Wasserstein distance (normed)", limit: float = 0.1):
    kind = "evidently:metric_v2:ValueDrift"
    return {"config": {"type": kind, "column": column, "method": method, "threshold": limit}, "value": value}


def test_a_distance_counts_from_its_limit_on_and_a_probability_below_it() -> None:
    count = {"config": {"type": "evidently:metric_v2:DriftedColumnsCount"}, "value": {"count": 2}}
    tests = [metric(name, value, "K-S p_value", 0.05) for name, value in (("c", 0.05), ("d", 0.0))]
    found = columns_found({"metrics": [count, metric("a", 0.09), metric("b", 0.1), *tests]})
    assert list(found["column"]) == ["d", "b", "c", "a"]
    assert list(found["changed"]) == [True, True, False, False]


def test_the_section_is_a_description_with_links() -> None:
    made = forecasts({8: 209.0})
    rows = sample_drift_rows(serving(made), shops([range(200), 7]), DRIFT)
    names = ("turnover_over_mean_week", "error_over_mean_week", "mean_1", "lag_52")
    findings = {
        "metrics": [metric(name, score) for name, score in zip(names, (0.3, 0.0, 0.2, 0.0), strict=True)]
    }
    section = report_drift(rows, findings, "")
    text = said(section)
    assert "2017" not in text  # only the weeks of these shops
    assert f"{WEEKS[192]:%Y-%m-%d} to {LAST:%Y-%m-%d}" in text
    assert "This is a description, not an alarm" in text
    assert "Of 2 features, 1 are distributed otherwise than a year before." in text
    assert "turnover has changed and errors of forecasts have not changed" in text
    assert f"wrong by {10 / 199:.1%} of turnover, a year before by {62 / 147:.1%}" in text
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert list(table.frame["column"]) == [
        "turnover_over_mean_week",
        "mean_1",
        "error_over_mean_week",
        "lag_52",
    ]
    for target in ("turnover/drift.html", "turnover/drift.json", "../../docs/benchmarks.md"):
        assert f'href="{target}"' in render_section(section, "turnover.drift")


def test_a_chain_that_sells_nothing_has_no_share_of_turnover_to_tell() -> None:
    rows = sample_drift_rows(serving(forecasts({1: 5.0})), shops([0]), DRIFT)
    assert "wrong by" not in said(report_drift(rows, {"metrics": [metric("lag_52", 0.0)]}, ""))


# --- Evidently itself ------------------------------------------------------------------------------


def lively(stores: int = 30) -> ModelInput:
    noise = np.random.default_rng(0).gamma(4, 25, (stores, 200))
    noise[:, 192:] *= 2
    return shops(list(noise))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[DriftParams, Path]:
    """The real environment, with a log of all machines that it asks for."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "sitecustomize.py").write_text(WATCHER)
    log = folder / "network.log"
    start = f'NETWORK_LOG={log} PYTHONPATH={folder} exec {EVIDENTLY}/bin/python "$@"'
    return pretend(folder, start), log


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    data = lively()
    both = data.panel[data.panel["week"] > LAST - 60 * WEEK]
    made = both[["store", "week"]].assign(horizon=1, forecast=100.0)
    return sample_drift_rows(serving(made), data, DRIFT)


@pytest.fixture(scope="module")
def described(rows: pd.DataFrame, watched: tuple[DriftParams, Path]) -> tuple[str, dict[str, object], str]:
    page, findings = describe_drift(rows, watched[0])
    return page, findings, watched[1].read_text()


@NEEDS_EVIDENTLY
@pytest.mark.slow
@pytest.mark.xdist_group("evidently")
def test_evidently_describes_every_column(rows: pd.DataFrame, described) -> None:
    page, findings, _ = described
    assert "not_made" not in findings
    found = columns_found(findings).set_index("column")
    assert set(found.index) == set(rows.columns) - {"year", "store", "department", "week"}
    assert found.loc["turnover", "changed"]
    assert "A description, not an alarm" in page
    assert "Of 5 features, " in said(report_drift(rows, findings, ""))
    json.dumps(findings, allow_nan=False)


@NEEDS_EVIDENTLY
@pytest.mark.slow
@pytest.mark.xdist_group("evidently")
def test_evidently_asks_no_other_machine(described) -> None:
    assert set(described[2].split()) == {"watching"}


@NEEDS_EVIDENTLY
@pytest.mark.slow
@pytest.mark.xdist_group("evidently")
def test_the_same_rows_give_the_same_page(rows: pd.DataFrame, described) -> None:
    page, findings = describe_drift(rows, DRIFT.model_copy(update={"environment": str(EVIDENTLY)}))
    assert (page, findings) == described[:2]


@NEEDS_EVIDENTLY
@NEEDS_CHROMIUM
@pytest.mark.slow
@pytest.mark.xdist_group("evidently")
@pytest.mark.parametrize("width", [1400, 390])
def test_the_page_is_drawn_without_a_network(described, tmp_path: Path, width: int) -> None:
    file = tmp_path / "drift.html"
    file.write_text(described[0])
    with browser() as tab:
        tab.open(file, width)
        drawn = "document.querySelectorAll('.js-plotly-plot .scatterlayer path').length"
        wait = (
            f"new Promise(done => {{const poll = () => {drawn} ? done(true) : setTimeout(poll, 50); poll()}})"
        )
        assert tab.ask(wait)
        assert tab.ask("performance.getEntriesByType('resource').length") == 0
        assert tab.ask("document.documentElement.scrollWidth") <= width
        assert "Data Drift Summary" in tab.ask("document.body.innerText")
    assert file.stat().st_size < 10e6
