"""Methods that run in an environment of their own get the past, and only the past, in files."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.measure import plan
from benchmarks.methods.elsewhere import ROOT, AutoGluon, Skforecast
from benchmarks.methods.quantiles import LEVELS, add_details
from benchmarks.peers import keep_measured, missing_peers, where_they_win, write_peers

from contexts import with_tables
from projects import REPOSITORY
from sales_forecast.errors import InputError
from sales_forecast.forecasting.features.context import repeat_last_year
from sales_forecast.forecasting.methods.base import forecast_all
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS

INSTALLED = (ROOT / ".venv-peers/.ready").exists()
AUTOGLUON = AutoGluon(
    repair_level_shifts=True,
    horizon_weeks=8,
    preset="medium_quality",
    time_limit_seconds=60,
    eval_metric="WAPE",
    excluded_models=("Chronos", "Chronos2", "Toto", "Toto2"),
)
QUICK_AUTOGLUON = AUTOGLUON.model_copy(
    update={"excluded_models": (*AUTOGLUON.excluded_models, "DirectTabular", "ETS", "Theta")}
)
"""Two members, so that each has time enough on a busy machine."""

SKFORECAST = Skforecast(
    repair_level_shifts=True,
    horizon_weeks=8,
    trees=20,
    learning_rate=0.2,
    leaves=15,
    lags=(1, 2, 52),
    mean_weeks=(4, 52),
)

LAST_WEEK = """
import json, shutil, sys
import pandas as pd
folder = sys.argv[2]
shutil.copytree(folder, {kept!r}, dirs_exist_ok=True)
last = pd.read_parquet(f"{{folder}}/past.parquet").dropna(subset="turnover").groupby("series")["turnover"].last()
rows = pd.read_parquet(f"{{folder}}/future.parquet")[["series", "week"]]
levels = json.load(open(f"{{folder}}/request.json"))["levels"]
rows = rows.assign(**{{str(level): rows["series"].map(last) * (0.5 + level) for level in levels}})
rows[rows["series"] > 0].to_parquet(f"{{folder}}/forecasts.parquet")
json.dump({{"weights": {{"A": 0.25, "B": 0.75}}}}, open(f"{{folder}}/about.json", "w"))
"""
"""An interpreter that repeats the last week of each series but the first, whatever program it is given."""


def environment(folder: Path, program: str) -> Path:
    """An environment whose interpreter only runs this program."""
    python = folder / "bin/python"
    python.parent.mkdir()
    python.write_text(f"#!{sys.executable}\n{program}")
    python.chmod(0o755)
    (folder / ".ready").touch()
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """What the interpreter was given."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def method(tmp_path_factory, kept) -> AutoGluon:
    folder = environment(tmp_path_factory.mktemp("venv"), LAST_WEEK.format(kept=str(kept)))
    return AUTOGLUON.model_copy(update={"environment": folder})


@pytest.fixture(scope="module")
def fitted(method, context):
    return json.loads(json.dumps(method.fit(context)))


# --- the files --------------------------------------------------------------------------------


def test_the_forecasts_are_those_of_the_other_interpreter(method, context, forecast_index, fitted):
    own = forecast_index.iloc[::-1]  # in any order
    rows = context.level_adjusted.position_of(own)
    last = pd.DataFrame(np.maximum(context.level_adjusted.turnover, 0)).ffill(axis=1).to_numpy()[rows, -1]
    forecast = method.forecast(context, own, fitted)
    np.testing.assert_allclose(forecast[rows > 0], last[rows > 0])


def test_a_series_without_a_forecast_repeats_last_year(method, context, forecast_index, fitted):
    first = context.level_adjusted.position_of(forecast_index) == 0
    repeated = repeat_last_year(context.level_adjusted, forecast_index, context.cutoff)
    np.testing.assert_array_equal(method.forecast(context, forecast_index, fitted)[first], repeated[first])


def test_the_other_interpreter_sees_no_turnover_after_the_cutoff(fitted, context, kept, cutoff):
    past, future = pd.read_parquet(kept / "past.parquet"), pd.read_parquet(kept / "future.parquet")
    assert past["week"].max() == cutoff
    assert "turnover" not in future
    assert sorted(set(future["week"])) == [cutoff + pd.Timedelta(weeks=week) for week in range(1, 9)]
    assert set(past["series"]) == set(future["series"]) == set(range(len(context.raw.series)))


def test_calendar_and_attributes_are_handed_over(fitted, context, kept):
    future = pd.read_parquet(kept / "future.parquet")
    attributes = pd.read_parquet(kept / "attributes.parquet").set_index("series")
    series, week = future.iloc[0][["series", "week"]]
    zone = context.raw.series.loc[series, "school_zone"]
    known = context.data.calendar.set_index(["school_zone", "week"]).loc[(zone, week)]
    assert future.iloc[0]["public_holiday_days"] == known["public_holiday_days"]
    assert {"department", "region", "zone", "latitude"} <= set(attributes)
    assert list(attributes["department"]) == list(context.raw.series["department"].astype(str))


def test_what_the_retailer_adds_is_handed_over(method, context, kept, panel, forecast_index):
    keys = pd.concat([panel, forecast_index])[[*SERIES_KEYS, "week"]].drop_duplicates()
    promoted = keys.assign(promotion=keys["week"].dt.day.astype(float))
    formats = context.data.stores.assign(format=["city", None, *["mall"] * (len(context.data.stores) - 2)])
    method.fit(with_tables(context, future_covariates=promoted, stores=formats))
    for name in ("past", "future"):
        table = pd.read_parquet(kept / f"{name}.parquet").dropna(subset="promotion")
        assert len(table) > 0
        assert (table["promotion"] == table["week"].dt.day).all()
    attributes = pd.read_parquet(kept / "attributes.parquet")
    assert set(attributes["format"]) == {"city", "unknown", "mall"}


def test_options_are_handed_over(fitted, kept):
    request = json.loads((kept / "request.json").read_text())
    assert request["horizon_weeks"] == 8
    assert request["levels"] == LEVELS == [0.025, 0.1, 0.5, 0.9, 0.975]
    assert request["options"] == {
        "seed": 42,
        "preset": "medium_quality",
        "time_limit_seconds": 60,
        "eval_metric": "WAPE",
        "excluded_models": ["Chronos", "Chronos2", "Toto", "Toto2"],
    }


def test_the_history_is_raw_or_level_adjusted(method, context, kept, fitted):
    adjusted = pd.read_parquet(kept / "past.parquet")["turnover"].sum()
    method.model_copy(update={"repair_level_shifts": False}).fit(context)
    raw = pd.read_parquet(kept / "past.parquet")["turnover"].sum()
    assert raw == pytest.approx(np.nansum(np.maximum(context.raw.turnover, 0)))
    assert adjusted == pytest.approx(np.nansum(np.maximum(context.level_adjusted.turnover, 0)))
    assert raw != pytest.approx(adjusted)


def test_intervals_and_members_are_kept_with_the_forecasts(method, context, forecast_index, fitted):
    made = add_details(method, context, forecast_all(method, context, forecast_index, fitted), fitted)
    own = made[context.level_adjusted.position_of(made) > 0]
    warm = own[~own["cold_start"]]
    np.testing.assert_allclose(warm["lo_80"], warm["forecast"] * 0.6)
    np.testing.assert_allclose(warm["hi_95"], warm["forecast"] * 1.475)
    assert set(made["members"]) == {"B 0.75, A 0.25"}


def test_weeks_beyond_the_horizon_have_no_quantiles(method, context, forecast_index, fitted):
    later = forecast_index.assign(week=forecast_index["week"] + pd.Timedelta(weeks=8))
    assert np.isnan(method.forecast_quantiles(context, later, fitted)).all()


def test_a_failure_is_told_with_its_last_lines(tmp_path, context):
    failing = environment(tmp_path, "raise SystemExit('the disk is full')")
    with pytest.raises(
        InputError, match=r"run_autogluon.py left no forecasts \(exit code 1\).*\nthe disk is full"
    ):
        AUTOGLUON.model_copy(update={"environment": failing}).fit(context)


def test_forecasts_of_an_interpreter_that_aborts_while_it_ends_are_taken(
    tmp_path, method, context, fitted, kept
):
    program = f"import os\n{LAST_WEEK.format(kept=str(kept))}\nos.abort()"
    aborting = method.model_copy(update={"environment": environment(tmp_path, program)})
    assert aborting.fit(context)["quantiles"] == fitted["quantiles"]


def test_forecasts_without_a_quantile_are_refused(tmp_path, context):
    program = "import sys, pandas as pd\npd.DataFrame({'series': [0], '0.5': [1.0]}).to_parquet(sys.argv[2] + '/forecasts.parquet')"
    lacking = environment(tmp_path, program)
    with pytest.raises(InputError, match=r"no column week, 0.025, 0.1, 0.9, 0.975; it has series, 0.5"):
        AUTOGLUON.model_copy(update={"environment": lacking}).fit(context)


# --- without the environment --------------------------------------------------------------------


def test_a_missing_environment_is_named_with_the_command_that_makes_it(tmp_path, context):
    with pytest.raises(InputError, match=r"AutoGluon needs an environment of its own, .*: make peers$"):
        AUTOGLUON.model_copy(update={"environment": tmp_path}).fit(context)


def test_the_benchmark_says_in_one_line_what_it_leaves_out(tmp_path, capsys):
    wanted = plan()
    for name in wanted["peers"]:
        wanted["methods"][name] |= {"environment": str(tmp_path)}
    assert missing_peers(wanted) == list(wanted["peers"]) == ["autogluon", "autogluon_repaired", "skforecast"]
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "autogluon, autogluon_repaired, skforecast" in said
    assert "make peers" in said
    assert "\npeers:" in (REPOSITORY / "Makefile").read_text()


def test_the_plan_excludes_every_model_that_downloads_weights():
    for name in ("autogluon", "autogluon_repaired"):
        method = Methods({name: plan()["methods"][name]}).root[name]
        assert set(method.excluded_models) == {"Chronos", "Chronos2", "Toto", "Toto2"}
        assert method.time_limit_seconds == 300


def test_the_lock_has_names_versions_and_hashes_and_leaves_torch_to_its_own_step():
    lines = (REPOSITORY / "requirements-peers.lock").read_text().splitlines()
    assert all(
        re.fullmatch(r"[\w.-]+==\S+( ; .*)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines
    )
    names = {line.partition("==")[0] for line in lines if "==" in line}
    assert {"autogluon-timeseries", "skforecast"} <= names
    assert not [name for name in names if name == "torch" or name.startswith(("nvidia", "cuda", "triton"))]


# --- the page ---------------------------------------------------------------------------------


@pytest.fixture
def measured() -> pd.DataFrame:
    """Two windows, two departments; every shop sells 100, and ours is 10 off everywhere."""
    rows = pd.DataFrame(
        {
            "cutoff": pd.to_datetime(["2016-10-01", "2016-10-01", "2017-08-05", "2017-08-05"]),
            "department": [88, 127, 88, 127],
            "turnover": 100.0,
        }
    )
    ours = rows.assign(method="blend", forecast=110.0)
    theirs = rows.assign(method="autogluon", forecast=[105.0, 105.0, 105.0, 190.0])
    both = pd.concat([ours, theirs], ignore_index=True).assign(store=1, horizon=1)
    return both.assign(week=both["cutoff"] + pd.Timedelta(weeks=1))


WINDOWS = {"A": "2016-10-01", "B": "2017-08-05"}


def test_the_page_says_where_a_peer_wins(measured):
    assert where_they_win(measured, "blend", WINDOWS) == (
        "- `autogluon`: window A (0.050 against 0.100), department 88 (0.050 against 0.100)."
    )


def test_the_page_says_that_a_peer_wins_nowhere(measured):
    worse = measured.assign(forecast=measured["forecast"].where(measured["method"] == "blend", 300.0))
    assert where_they_win(worse, "blend", WINDOWS) == "- `autogluon`: nowhere."


def test_measured_peers_have_a_section_and_others_none(measured, tmp_path, monkeypatch):
    page = tmp_path / "benchmarks.md"
    monkeypatch.setattr("benchmarks.page.ROOT", tmp_path)
    monkeypatch.setattr("benchmarks.page.PAGE", page)
    page.write_text("before\n<!-- peers: begin -->\n<!-- peers: end -->\nafter")
    wanted = {
        "project_method": "blend",
        "windows": WINDOWS,
        "methods": {"blend": {}, "autogluon": {}, "skforecast": {}},
        "peers": {"autogluon": {"time_limit_seconds": 300}, "skforecast": {}},
    }
    with_intervals = measured.assign(lo_80=90.0, hi_80=120.0, lo_95=80.0, hi_95=130.0, members=None)
    for name, rows in with_intervals.groupby("method"):
        rows.assign(members="TFT 1.00" if name == "autogluon" else None).to_parquet(
            tmp_path / f"shown.{name}.parquet"
        )
    with_intervals[with_intervals["method"] == "blend"].to_parquet(tmp_path / "intervals.blend.parquet")
    for name in ("blend", "autogluon"):
        cost = {"seconds": {"2017-08-05": 4.0}, "memory": 1.25}
        (tmp_path / f"shown.{name}.json").write_text(json.dumps(cost))
    keep_measured(tmp_path, wanted)
    assert list(wanted["methods"]) == ["blend", "autogluon"]
    write_peers(tmp_path, wanted)
    text = page.read_text()
    assert "`autogluon`: window A" in text
    assert re.search(r"\| autogluon \| [0-9.]+ .*\| 4\.0 \| 1\.25 \|", text)
    assert re.search(r"\| autogluon \| [+-]0\.\d{3} \| [+-]", text), "with an interval"
    assert "| autogluon | 4 | 1.000 | 0.300 |" in text
    assert "| A | TFT 1.00 |" in text
    assert "{{" not in text
    del wanted["methods"]["autogluon"]
    write_peers(tmp_path, wanted)
    assert "None was measured" in page.read_text()
    assert page.read_text().startswith("before")


# --- the libraries themselves -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason=".venv-peers is not set up: make peers")
@pytest.mark.parametrize("real", [QUICK_AUTOGLUON, SKFORECAST], ids=["autogluon", "skforecast"])
def test_the_real_library_forecasts_every_row(real, context, forecast_index):
    fitted = real.fit(context)
    made = add_details(real, context, forecast_all(real, context, forecast_index, fitted), fitted)
    assert np.isfinite(made["forecast"]).all()
    old = made[~made["store"].isin([108, 109])]  # they opened within the last two years
    assert (old["lo_95"] <= old["lo_80"]).all()
    assert (old["lo_80"] <= old["hi_80"]).all()
    level = context.level_adjusted
    last_year = pd.Series(
        np.nanmean(level.turnover[:, -52:], axis=1), pd.MultiIndex.from_frame(level.series[SERIES_KEYS])
    )
    ratio = old.groupby(SERIES_KEYS)["forecast"].mean() / last_year
    assert ratio.dropna().between(0.1, 10).all()
