"""Checks of a delivery, on data where the truth is known."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmarks.dirty_deliveries import HELD, NOTED, times

from sales_forecast.deliveries.checks import (
    check_against_known,
    closed_stores_asked_for,
    labels_of_another_retailer,
)
from sales_forecast.deliveries.delivery import DeliveryParams, Finding, state_after
from sales_forecast.deliveries.known import KnownHistory
from sales_forecast.deliveries.new_weeks import RECENT_WEEKS
from sales_forecast.forecasting.monitoring.levels import (
    FEWEST_LEVELS,
    median_log_ratio,
    standardised,
    standardised_level,
)
from sales_forecast.storage.turnover import week_digests

LIMITS = DeliveryParams()
WEEKS = pd.date_range("2015-01-03", periods=120, freq="7D")
STORES = [str(number) for number in range(1, 41)]


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    """Forty stores, two departments with a season, noise of a tenth."""
    rng = np.random.default_rng(0)
    keys = pd.MultiIndex.from_product([STORES, ["88", "117"], WEEKS], names=["store", "department", "week"])
    rows = keys.to_frame(index=False)
    size = 100 * (1 + rows["store"].astype(int) % 7) * np.where(rows["department"] == "88", 1, 5)
    season = 1 + 0.5 * np.sin(2 * np.pi * rows["week"].dt.dayofyear / 364)
    return rows.assign(turnover=size * season * np.exp(rng.normal(0, 0.1, len(rows))))


def known(sales: pd.DataFrame, **changes: Any) -> KnownHistory:
    """What was recorded before the newest week came, with a perfect forecast of it."""
    before = sales[sales["week"] < sales["week"].max()]
    newest = sales[sales["week"] == sales["week"].max()].rename(columns={"turnover": "forecast"})
    content: dict[str, Any] = {
        "digests": week_digests(before),
        "values": lambda weeks: before[before["week"].isin(weeks)],
        "values_known": len(before),
        "forecasts": newest,
    }
    return KnownHistory(**content | changes)


def found_in(
    sales: pd.DataFrame, delivered: pd.DataFrame, params: DeliveryParams = LIMITS
) -> dict[str, Finding]:
    findings = check_against_known(delivered, known(sales), params)
    return {finding.check: finding for finding in findings}


def test_a_delivery_with_one_week_more_has_nothing_to_say(sales: pd.DataFrame) -> None:
    assert check_against_known(sales, known(sales), LIMITS) == ()


def test_where_nothing_is_known_nothing_can_be_compared(sales: pd.DataFrame) -> None:
    assert check_against_known(sales, KnownHistory(), LIMITS) == ()


@pytest.mark.parametrize("name", HELD)
def test_what_went_wrong_is_held(sales: pd.DataFrame, name: str) -> None:
    dirty, check = HELD[name]
    found = found_in(sales, dirty(sales))
    assert found[check].severity == "hold"
    assert state_after(found.values()) == "held"


@pytest.mark.parametrize("name", NOTED)
def test_what_is_worth_a_word_is_noted(sales: pd.DataFrame, name: str) -> None:
    dirty, check = NOTED[name]
    found = found_in(sales, dirty(sales))
    assert {finding.severity for finding in found.values()} == {"note"}
    assert check in found


@pytest.mark.parametrize("factor", [0.6, 1.6])
def test_a_good_or_a_bad_week_is_no_broken_one(sales: pd.DataFrame, factor: float) -> None:
    assert found_in(sales, times(factor)(sales)) == {}


def test_every_limit_can_be_switched_off(sales: pd.DataFrame) -> None:
    off = DeliveryParams(**dict.fromkeys(DeliveryParams.model_fields))
    structural = {"older delivery", "week missing inside"}
    for dirty, check in HELD.values():
        if check not in structural:
            findings = found_in(sales, dirty(sales), off).values()
            assert state_after(findings) == "accepted", check


def test_a_finding_says_what_where_how_many_and_which_option(sales: pd.DataFrame) -> None:
    short = found_in(sales, HELD["short file"][0](sales))["known values missing"].text
    assert short.startswith(
        "4,800 of 9,520 known values are not in it (50.4%; turnover.delivery.missing_at_most: 0.05)"
    )
    assert "in 60 week(s) and 40 store(s), e.g. store 1, department " in short
    late = found_in(sales, NOTED["late store"][0](sales))["stores missing"].text
    assert "has turnover of 39 stores, the weeks before it of 40" in late
    assert late.endswith("missing: 1")
    zero = found_in(sales, HELD["zero week"][0](sales))["level"].text
    assert "sold 0.0" in zero
    assert "times what was forecast (turnover.delivery.department_within_times: 3)" in zero


def test_restated_values_are_counted_with_their_money(sales: pd.DataFrame) -> None:
    changed = sales.copy()
    changed.loc[[5, 9], "turnover"] += [100.0, -30.0]
    found = found_in(sales, changed)["restated"]
    assert found.severity == "note"
    assert found.text.startswith("2 of 9,520 known values are restated (0.0%;")
    assert "by +70 in sum" in found.text


NEWEST_KNOWN = WEEKS[-2]
DEPARTMENT = "88"


def again(sales: pd.DataFrame, factor: float, weeks: pd.DatetimeIndex) -> pd.DataFrame:
    """Known weeks of one department come once more and say something else; the rest is as it was."""
    chosen = sales["week"].isin(weeks) & (sales["department"] == DEPARTMENT)
    return sales.assign(turnover=sales["turnover"].where(~chosen, factor * sales["turnover"]))


@pytest.mark.parametrize("new_week", [True, False])
@pytest.mark.parametrize(("factor", "check"), [(1000, "unit jump"), (0.1, "unit jump"), (0, "series silent")])
def test_a_known_week_of_a_department_that_is_restated_is_judged_like_a_new_one(
    sales: pd.DataFrame, factor: float, check: str, new_week: bool
) -> None:
    """Forty of nearly ten thousand known values are few, and all that this department has sold that week."""
    delivered = again(sales, factor, WEEKS[-2:-1])
    delivered = delivered if new_week else delivered[delivered["week"] <= NEWEST_KNOWN]
    found = found_in(sales, delivered)
    assert found["restated"].severity == "note"
    assert found[check].severity == "hold"
    assert f"{NEWEST_KNOWN:%Y-%m-%d}" in found[check].text


def test_a_restated_week_is_compared_with_what_was_published_before_it_came(sales: pd.DataFrame) -> None:
    then = sales[sales["week"] == NEWEST_KNOWN].rename(columns={"turnover": "forecast"})
    recorded = known(sales, past_forecasts=lambda weeks: then[then["week"].isin(weeks)])
    (_, level) = check_against_known(again(sales, 5.0, WEEKS[-2:-1]), recorded, LIMITS)
    assert (level.check, level.severity) == ("level", "hold")
    assert f"in the week of {NEWEST_KNOWN:%Y-%m-%d} the median store of department 88 sold" in level.text
    assert "level" not in found_in(sales, again(sales, 1.2, WEEKS[-2:-1]))


def test_a_known_week_that_lost_its_stores_is_judged_like_a_new_one(sales: pd.DataFrame) -> None:
    lost = sales[(sales["week"] != NEWEST_KNOWN) | (sales["store"].astype(int) <= 30)]
    found = found_in(sales, lost)
    assert found["known values missing"].severity == "note"
    assert found["stores missing"].severity == "hold"


def test_restated_weeks_are_judged_as_delivered_and_compared_as_recorded(sales: pd.DataFrame) -> None:
    """A repair takes the wrong unit away before it is recorded; what was repaired before is no news."""
    earlier = sales["week"] == WEEKS[-8]
    raw = again(sales, 1000, WEEKS[-2:-1])["turnover"].where(~earlier, 1000 * sales["turnover"])
    repaired = again(sales, 1.1, WEEKS[-2:-1]).assign(turnover_raw=raw)
    found = found_in(sales, repaired)
    assert found["restated"].text.startswith("40 of 9,520 known values are restated")
    assert f"in the week of {NEWEST_KNOWN:%Y-%m-%d}" in found["unit jump"].text


@pytest.mark.parametrize(
    ("stores", "weeks"), [(4, WEEKS[-2:-1]), (40, WEEKS[-1 - RECENT_WEEKS - 1 : -1 - RECENT_WEEKS])]
)
def test_few_restated_values_and_weeks_of_long_ago_are_noted(
    sales: pd.DataFrame, stores: int, weeks: pd.DatetimeIndex
) -> None:
    few = sales["store"].astype(int) <= stores
    restated = pd.concat([again(sales[few], 1000, weeks), sales[~few]])
    assert {name: finding.severity for name, finding in found_in(sales, restated).items()} == {
        "restated": "note"
    }


def test_a_week_that_was_wrong_may_be_mended(sales: pd.DataFrame) -> None:
    wrong = again(sales, 1000, WEEKS[-2:-1])
    (finding,) = check_against_known(sales, known(wrong), LIMITS)
    assert (finding.check, finding.severity) == ("restated", "note")


def test_last_digits_that_a_text_file_rounds_are_not_restated(sales: pd.DataFrame) -> None:
    rounded = sales.assign(turnover=sales["turnover"] * (1 + 1e-15))
    assert (rounded["turnover"] != sales["turnover"]).any()
    assert found_in(sales, rounded) == {}


@pytest.mark.parametrize(("stores", "season", "held"), [(10, 100, False), (10, 1, True), (40, 100, True)])
def test_a_few_series_may_be_silent_off_season(
    sales: pd.DataFrame, stores: int, season: float, held: bool
) -> None:
    """Few series, most of which sell nothing in most weeks off season, lose next to nothing by it."""
    of_department = sales["department"] == "117"
    rows = sales[~of_department | (sales["store"].astype(int) <= stores)]
    of_department = rows["department"] == "117"
    quiet = of_department & (rows["week"] == WEEKS[-1]) & (rows["store"].astype(int) <= 0.7 * stores)
    in_season = of_department & rows["week"].between(WEEKS[-40], WEEKS[-20])
    turnover = (rows["turnover"] * np.where(in_season, season, 1)).mask(quiet, 0.0)
    delivered = rows.assign(turnover=turnover)
    assert ("series silent" in found_in(delivered, delivered)) is held


def test_an_older_delivery_is_told_from_one_without_a_new_week(sales: pd.DataFrame) -> None:
    before = sales[sales["week"] < sales["week"].max()]
    assert set(found_in(sales, before)) == {"no new week"}
    older = before[before["week"] < before["week"].max()]
    assert found_in(sales, older)["older delivery"].severity == "hold"


def test_weeks_that_come_together_are_noted_and_a_skipped_one_is_held(sales: pd.DataFrame) -> None:
    recorded = known(sales[sales["week"] <= WEEKS[-3]])
    both = {finding.check: finding for finding in check_against_known(sales, recorded, LIMITS)}
    assert both["several weeks"].severity == "note"
    skipped = sales[sales["week"] != WEEKS[-2]]
    found = {finding.check: finding for finding in check_against_known(skipped, recorded, LIMITS)}
    assert found["week missing inside"].severity == "hold"
    assert f"{WEEKS[-2]:%Y-%m-%d}" in found["week missing inside"].text


def test_a_new_store_is_noted(sales: pd.DataFrame) -> None:
    opened = sales[(sales["week"] == WEEKS[-1]) & (sales["store"] == "1")].assign(store="99")
    found = found_in(sales, pd.concat([sales, opened]))
    assert found["stores appeared"].text.endswith("for the first time: 99")


def test_a_closed_store_that_forecasts_are_wanted_for_is_noted(sales: pd.DataFrame) -> None:
    wanted = pd.DataFrame(
        {"store": ["1", "2"], "department": "88", "week": WEEKS[-1] + pd.Timedelta(weeks=1)}
    )
    assert list(closed_stores_asked_for(sales, wanted, 13)) == []
    closed = sales[(sales["store"] != "1") | (sales["week"] < WEEKS[-20])]
    (found,) = closed_stores_asked_for(closed, wanted, 13)
    assert found.severity == "note"
    assert f": 1, last in the week of {WEEKS[-21]:%Y-%m-%d}" in found.text


def test_a_new_retailer_with_the_labels_of_a_known_one_is_noted(sales: pd.DataFrame) -> None:
    """As for a whole history in another unit, which no series of the known one is equal to."""
    others = {"default": sales, "harbour": sales.assign(store="shop " + sales["store"])}
    (found,) = labels_of_another_retailer(sales.assign(turnover=1000.0), "x1000", others)
    assert found.severity == "note"
    assert "80 of 80 series have the store and department of retailer 'default'" in found.text
    few = sales[sales["store"].isin(STORES[:15])]
    assert list(labels_of_another_retailer(sales, "x1000", {"default": few})) == []


# --- the level against the forecast, by simulation ---------------------------------------------------------


def levels(rng: np.random.Generator, weeks: int, spread: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "department": "88",
            "week": pd.date_range("2015-01-03", periods=weeks, freq="7D"),
            "median_log_ratio": rng.normal(0.02, spread, weeks),
        }
    )


def test_the_median_is_not_moved_by_a_few_stores() -> None:
    forecast = pd.Series(np.full(21, 100.0))
    turnover = forecast.copy()
    turnover[:5] = 1e6
    assert median_log_ratio(turnover, forecast, 100.0) == pytest.approx(0.0)
    assert median_log_ratio(0.5 * forecast, forecast, 100.0) == pytest.approx(np.log(0.6 / 1.1))
    assert np.isfinite(median_log_ratio(0 * forecast, forecast, 0.0))


def test_ordinary_weeks_are_seldom_called_unusual_and_shifts_often() -> None:
    """With levels that err by a tenth: six robust standard deviations are 60 %, which no ordinary week reaches."""
    rng = np.random.default_rng(3)
    past = pd.DataFrame(rng.normal(0.02, 0.1, (104, 800)))
    ordinary, shifted = rng.normal(0.02, 0.1, 400), rng.normal(0.02 - 0.8, 0.1, 400)
    past.loc[len(past)] = [*ordinary, *shifted]
    unusual = standardised(past).iloc[-1].abs().to_numpy() > LIMITS.unusual_above
    assert not unusual[:400].any()
    assert unusual[400:].mean() > 0.9


def test_the_level_of_a_department_is_told_from_its_own_past() -> None:
    past = levels(np.random.default_rng(3), 104, 0.1)
    other = past.assign(department="7", median_log_ratio=5.0)
    alone = standardised(pd.DataFrame({"88": [*past["median_log_ratio"], 0.3]}))["88"].iloc[-1]
    assert standardised_level(0.3, pd.concat([other, past[::-1]]), "88") == pytest.approx(alone)


def test_with_little_past_nothing_is_unusual() -> None:
    past = levels(np.random.default_rng(0), FEWEST_LEVELS - 1, 0.1)
    assert standardised_level(9.0, past, "88") is None
    assert standardised_level(9.0, past.assign(department="7"), "88") is None


def test_an_unusual_level_is_noted_and_does_not_hold(sales: pd.DataFrame) -> None:
    calm = levels(np.random.default_rng(0), 60, 0.05)
    recorded = known(sales, levels=calm)
    found = check_against_known(times(0.55)(sales), recorded, LIMITS)
    assert [(finding.check, finding.severity) for finding in found] == [("unusual level", "note")]
    assert (
        "robust standard deviations from its usual level (turnover.delivery.unusual_above: 6)"
        in found[0].text
    )
