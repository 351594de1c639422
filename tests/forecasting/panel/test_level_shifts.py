"""Lasting jumps of a department's level: found soon, sized right, undone, and never invented."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal

from contexts import NO_CALENDAR, NO_COVARIATES
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.panel.level_shifts import (
    LevelShiftParams,
    adjust_levels,
    find_jumps,
    find_level_shifts,
    year_on_year,
)
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.sample import make_turnover
from sales_forecast.sample.chain import LEVEL_SHIFT, SPIKE

PARAMS = LevelShiftParams(
    min_log_ratio=0.35, noise_multiple=2.5, hold_weeks=4, base_weeks=13, min_stores=20, min_season_share=0.2
)
WEEKS = pd.date_range("2013-01-05", periods=4 * 52, freq="7D")
KNOWN = 77  # a year to compare with, whose season needs half a year to be known
SHIFT = 130  # early July: an Easter that moves hides the weeks around it
SHIFT_WEEK = WEEKS[SHIFT]
SPRING = (3, 4, 5)  # months in which weeks near an Easter that moved have no ratio


def _changed(**change) -> LevelShiftParams:
    return PARAMS.model_copy(update=change)


def _department(
    name: str = "bikes", *, factors: dict[int, float] | None = None, stores: int = 30, seed: int = 0
) -> pd.DataFrame:
    """Four years of made-up stores, busy in summer; from each position on the level is multiplied."""
    rng = np.random.default_rng(seed)
    season = 1 + 0.4 * np.sin(2 * np.pi * np.arange(len(WEEKS)) / 52)
    weather = np.exp(rng.normal(0, 0.05, len(WEEKS)))
    size = rng.lognormal(9, 0.6, (stores, 1))
    turnover = size * season * weather * np.exp(rng.normal(0, 0.2, (stores, len(WEEKS))))
    for position, factor in (factors or {}).items():
        turnover[:, position:] *= factor
    store, week = np.indices(turnover.shape)
    return pd.DataFrame(
        {
            "store": store.ravel(),
            "department": name,
            "week": WEEKS[week.ravel()],
            "turnover": turnover.ravel(),
        }
    )


def _until(panel: pd.DataFrame, position: int) -> pd.DataFrame:
    return panel[panel["week"] <= np.sort(panel["week"].unique())[position]]


@pytest.mark.parametrize("seed", range(5))
def test_a_doubled_department_is_found_once_four_weeks_of_it_are_known(seed):
    panel = pd.concat([_department(factors={SHIFT: 2.0}, seed=seed), _department("boats", seed=seed + 50)])
    found = find_level_shifts(_until(panel, SHIFT + 3), PARAMS)
    assert found["department"].to_list() == ["bikes"]
    assert found["week"].to_list() == [SHIFT_WEEK]
    assert found["factor"].item() == pytest.approx(2, rel=0.15)


def test_a_level_that_has_lasted_three_weeks_is_not_yet_a_shift():
    assert find_level_shifts(_until(_department(factors={SHIFT: 2.0}), SHIFT + 2), PARAMS).empty


@pytest.mark.parametrize("lasted", [30, 52, 70])
@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_a_shift_that_is_undone_is_found_both_ways(factor, lasted):
    panel = _department(factors={SHIFT: factor, SHIFT + lasted: 1 / factor})
    found = find_level_shifts(panel, PARAMS)
    assert found["week"].to_list() == [SHIFT_WEEK, WEEKS[SHIFT + lasted]]
    assert found["factor"].to_list() == pytest.approx([factor, 1 / factor], rel=0.15)


def test_the_echo_a_year_after_a_lasting_shift_is_not_taken_for_another():
    assert len(find_level_shifts(_department(factors={SHIFT: 2.0}), PARAMS)) == 1


def test_steady_departments_raise_less_than_one_false_alarm_in_a_hundred_years():
    alarms = [len(find_level_shifts(_department(seed=seed), PARAMS)) for seed in range(30)]
    years = 30 * len(WEEKS) / 52
    assert 100 * sum(alarms) / years < 1


@pytest.mark.parametrize("department", [127, 73])
def test_the_level_of_2016_is_found_in_the_sample_where_its_maker_put_it(department):
    rows = make_turnover()["train"].set_axis(["week", "store", "department", "turnover"], axis=1)
    panel = rows[rows["turnover"] < SPIKE[-1]].assign(week=pd.to_datetime(rows["week"]))
    found = find_level_shifts(panel[panel["department"] == department], PARAMS)
    back = pd.Timestamp(LEVEL_SHIFT[1]) + pd.Timedelta(weeks=1)
    assert found["week"].to_list() == [pd.Timestamp(LEVEL_SHIFT[0]), back]
    assert found["factor"].to_list() == pytest.approx([2.0, 0.5], rel=0.15)


def test_a_shift_beyond_the_cutoff_is_not_seen():
    panel = _department(factors={SHIFT: 2.0})
    context = ForecastContext.latest(ModelInput(panel, pd.DataFrame(), NO_CALENDAR, NO_COVARIATES), PARAMS)
    assert context.as_of(WEEKS[SHIFT - 1]).shifts.empty
    assert len(context.as_of(WEEKS[SHIFT + 3]).shifts) == 1


def test_the_order_of_rows_does_not_matter():
    panel = _department(factors={SHIFT: 2.0})
    shuffled = panel.sample(frac=1, random_state=1, ignore_index=True)
    assert_frame_equal(find_level_shifts(shuffled, PARAMS), find_level_shifts(panel, PARAMS))


def test_the_currency_does_not_matter():
    panel = _department(factors={SHIFT: 2.0})
    cents = panel.assign(turnover=panel["turnover"] * 100)
    assert_frame_equal(find_level_shifts(cents, PARAMS), find_level_shifts(panel, PARAMS))


def test_a_jump_of_a_few_stores_is_not_one_of_the_department():
    panel = _department()
    few = (panel["store"] < 10) & (panel["week"] >= SHIFT_WEEK)
    assert find_level_shifts(panel.assign(turnover=panel["turnover"] * np.where(few, 2, 1)), PARAMS).empty


def test_nothing_is_found_where_it_is_switched_off():
    assert find_level_shifts(_department(factors={SHIFT: 2.0}), _changed(enabled=False)).empty


@pytest.mark.parametrize("turnover", [0.0, -5.0, np.nan])
def test_a_department_that_sells_nothing_has_no_shifts(turnover):
    assert find_level_shifts(_department().assign(turnover=turnover), PARAMS).empty


def test_a_table_without_rows_has_no_shifts_but_the_columns():
    found = find_level_shifts(_department().head(0), PARAMS)
    assert found.empty
    assert found.columns.to_list() == ["department", "week", "factor"]


def test_too_few_stores_give_no_ratio():
    few = _department(factors={SHIFT: 2.0}, stores=19)
    assert find_level_shifts(few, PARAMS).empty
    assert len(find_level_shifts(few, _changed(min_stores=19))) == 1


def test_weeks_off_season_are_no_evidence():
    panel = _department()
    winter = panel["week"].dt.month.isin([12, 1, 2])
    seasonal = panel.assign(turnover=panel["turnover"] * np.where(winter, 0.05, 1))
    ratio = year_on_year(seasonal, PARAMS)["bikes"].iloc[KNOWN:]
    off = ratio.index.month.isin([12, 1, 2])
    assert ratio[off].isna().all()
    spring = ratio.index.month.isin(SPRING)
    assert ratio[~off & ~spring].notna().all()
    everything = year_on_year(seasonal, _changed(min_season_share=0.0))["bikes"].iloc[KNOWN:]
    assert everything[~spring].notna().all()


def test_a_week_that_was_off_season_only_last_year_is_no_evidence_either():
    panel = _department()
    closed = panel["week"].between(WEEKS[80], WEEKS[83])
    ratio = year_on_year(panel.assign(turnover=panel["turnover"] * np.where(closed, 0.05, 1)), PARAMS)[
        "bikes"
    ]
    unknown = ratio.index[ratio.isna() & ~ratio.index.month.isin(SPRING)]
    assert unknown[unknown >= WEEKS[KNOWN]].to_list() == [*WEEKS[80:84], *WEEKS[132:136]]


def test_the_ratio_is_that_of_the_median_store_and_needs_a_year_before():
    panel = _department(stores=3)
    steady = panel.assign(turnover=100.0)
    grown = (steady["store"] > 0) & (steady["week"] >= WEEKS[52])
    doubled = steady.assign(turnover=np.where(grown, 200.0, 100.0))  # in two stores of three
    ratio = year_on_year(doubled, _changed(min_stores=3))["bikes"]
    assert ratio.iloc[:52].isna().all()
    known = ratio.iloc[KNOWN:104].dropna()
    assert known.to_list() == pytest.approx([np.log(2)] * len(known))
    assert set(ratio.index[KNOWN:104].month[ratio.iloc[KNOWN:104].isna()]) <= set(SPRING)
    assert ratio.iloc[104:].abs().max() == 0


# --- one ratio a week, no stores -----------------------------------------------------------


def _ratio(jump: float = 0.6, start: int = 60, lasts: int = 52, noise: float = 0.02) -> np.ndarray:
    ratio = np.random.default_rng(3).normal(0, noise, 150)
    ratio[start : start + lasts] += jump
    return ratio


def test_a_jump_is_placed_and_sized():
    (position, jump), *others = find_jumps(_ratio(), PARAMS)
    assert not others
    assert position == 60
    assert jump == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize(
    ("ratio", "change"),
    [
        pytest.param(_ratio(jump=0.5), {"min_log_ratio": 0.8}, id="min_log_ratio: too small a jump"),
        pytest.param(_ratio(noise=0.08), {"noise_multiple": 8.0}, id="noise_multiple: lost in the noise"),
        pytest.param(_ratio(start=138, lasts=6), {"hold_weeks": 8}, id="hold_weeks: not lasted long enough"),
        pytest.param(_ratio(start=8, lasts=142), {"base_weeks": 40}, id="base_weeks: too little before it"),
    ],
)
def test_each_threshold_decides_whether_a_jump_counts(ratio, change):
    params = _changed(base_weeks=6)
    assert find_jumps(ratio, params)
    assert not find_jumps(ratio, params.model_copy(update=change))


def test_weeks_without_a_ratio_are_stepped_over():
    ratio = _ratio()
    ratio[55:59] = ratio[62:64] = np.nan
    assert [position for position, _ in find_jumps(ratio, PARAMS)] == [60]


def test_a_ratio_that_is_never_known_has_no_jumps():
    assert find_jumps(np.full(150, np.nan), PARAMS) == []


@settings(max_examples=25, deadline=None)
@given(level=st.floats(-1, 1), jump=st.floats(0.5, 1.5), start=st.integers(20, 90))
def test_growth_before_a_jump_does_not_mask_it_and_a_fall_mirrors_a_rise(level, jump, start):
    (rise,) = find_jumps(level + _ratio(jump, start), PARAMS)
    (fall,) = find_jumps(-level - _ratio(jump, start), PARAMS)
    assert rise[0] == fall[0] == start
    assert rise[1] == pytest.approx(level + jump, abs=0.05), "last year's week times this is the latest level"
    assert fall[1] == pytest.approx(-rise[1])


# --- level adjustment ----------------------------------------------------------------------


def _three_weeks() -> pd.DataFrame:
    keys = pd.MultiIndex.from_product([[1, 2], ["bikes", "boats"], WEEKS[:3]])
    return keys.to_frame(index=False, name=["store", "department", "week"]).assign(
        turnover=100.0, is_gap=False
    )


def test_only_earlier_weeks_of_the_shifted_department_are_rescaled():
    panel = _three_weeks()
    shifts = pd.DataFrame({"department": ["bikes"], "week": [WEEKS[2]], "factor": [2.0]})
    rescaled = adjust_levels(panel, shifts)
    earlier = (panel["department"] == "bikes") & (panel["week"] < WEEKS[2])
    assert rescaled.loc[earlier, "turnover"].eq(200).all()
    assert rescaled.loc[~earlier, "turnover"].eq(100).all()
    assert_frame_equal(rescaled.drop(columns="turnover"), panel.drop(columns="turnover"))
    assert panel["turnover"].eq(100).all()


def test_two_shifts_multiply_and_an_undone_one_leaves_the_first_weeks_alone():
    shifts = pd.DataFrame(
        {"department": ["bikes", "bikes"], "week": WEEKS[1:3], "factor": [2.0, 0.5]},
    )
    level = adjust_levels(_three_weeks(), shifts).query("department == 'bikes' and store == 1")
    assert level["turnover"].to_list() == [100, 50, 100]


def test_after_adjustment_the_jump_is_gone():
    panel = _department(factors={SHIFT: 2.0})
    repaired = adjust_levels(panel, find_level_shifts(panel, PARAMS))
    assert find_level_shifts(repaired, PARAMS).empty
    assert_series_equal(repaired["week"], panel["week"])


def test_an_easter_that_moves_from_march_to_april_is_no_level_shift():
    """A chain that lives from the weeks around Easter: 2016 it was on 27 March, 2017 on 16 April."""
    weeks = pd.date_range("2014-01-04", periods=3 * 52 + 24, freq="7D")
    easters = pd.to_datetime(["2014-04-20", "2015-04-05", "2016-03-27", "2017-04-16"])
    gap = np.array(
        [min(((week + pd.Timedelta(days=6) - day).days // 7 for day in easters), key=abs) for week in weeks]
    )
    turnover = (100 + 400 * np.exp(-((gap / 2) ** 2))) * np.ones((30, 1))
    store, week = np.indices(turnover.shape)
    panel = pd.DataFrame(
        {
            "store": store.ravel(),
            "department": "eggs",
            "week": weeks[week.ravel()],
            "turnover": turnover.ravel(),
        }
    )
    assert all(find_level_shifts(_until(panel, last), PARAMS).empty for last in range(100, len(weeks)))
