"""Why forecasts changed: each cause alone, and causes that add up to the change."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexts import NO_CALENDAR, NO_COVARIATES, NO_SHIFTS, Hundred
from handovers import half_widths
from sales_forecast.errors import InputError
from sales_forecast.forecasting.changes import (
    CAUSES,
    MONEY,
    cycle_change,
    in_words,
    largest_changes,
    no_changes,
)
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.labels import labelled, with_panel
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.forecasting.repredictions import Published, explain_changes, shapley_at_total
from sales_forecast.forecasting.shapley import shapley

WEEKS = pd.date_range("2016-01-02", periods=60, freq="7D")
STORES = (1, 2)
INTERVALS = IntervalParams(scale_share=0.1)


class Level(Method, frozen=True):
    """Repeats the mean of the last weeks, level-adjusted, times what it learned, plus what is planned."""

    weeks: int = 2

    def fit(self, context):
        return {"times": float(context.raw.turnover.mean() / 100)}

    def forecast(self, context, forecast_index, fitted):
        matrix = context.level_adjusted
        recent = matrix.turnover[:, -self.weeks :].mean(axis=1)[matrix.position_of(forecast_index)]
        plans = context.data.future_covariates
        planned = np.zeros(len(forecast_index))
        if len(plans):
            planned = forecast_index.merge(plans, on=ROW_KEYS, how="left")["promotion"].fillna(0).to_numpy()
        return fitted["times"] * recent + planned


def history(turnover: dict[int, float] | None = None, weeks: int = 58, level: float = 100.0) -> pd.DataFrame:
    """Two stores that sold the same every week, but for some weeks of the first one."""
    panel = pd.MultiIndex.from_product([STORES, ["bikes"], WEEKS[:weeks]], names=ROW_KEYS).to_frame(
        index=False
    )
    panel["turnover"] = level
    for week, value in (turnover or {}).items():
        panel.loc[(panel["store"] == 1) & (panel["week"] == WEEKS[week]), "turnover"] = value
    return panel


def plans(promotion: float, first: int = 58, weeks: int = 6) -> pd.DataFrame:
    ahead = pd.date_range(WEEKS[0] + pd.Timedelta(weeks=first), periods=weeks, freq="7D")
    rows = pd.MultiIndex.from_product([STORES, ["bikes"], ahead], names=ROW_KEYS).to_frame(index=False)
    return rows.assign(promotion=promotion)


def tables(panel: pd.DataFrame, covariates: pd.DataFrame = NO_COVARIATES) -> ModelInput:
    return ModelInput(panel, pd.DataFrame({"store": STORES}), NO_CALENDAR, covariates)


def model(times: float = 1.0, method: Method | None = None, **changes) -> TurnoverModel:
    return TurnoverModel(
        **{
            "name": "level",
            "method": method or Level(),
            "fitted": {"times": times},
            "cutoff": WEEKS[57].date(),
            "horizon_weeks": 4,
            "level_shifts": NO_SHIFTS,
            "intervals": INTERVALS,
            "half_widths": half_widths(1.0, 2.0),
            "cold_start_half_widths": half_widths(1.0, 2.0),
            "level_half_widths": {},
        }
        | changes
    )


def published(made_by: TurnoverModel, data: ModelInput, pull: float = 0.0) -> Published:
    """The four weeks after the last one known; ``pull`` is what steadiness added to each."""
    ahead = pd.date_range(data.last_week, periods=5, freq="7D")[1:]
    index = pd.MultiIndex.from_product([STORES, ["bikes"], ahead], names=ROW_KEYS).to_frame(index=False)
    forecasts = made_by.forecast(made_by.context(data), index)
    rows = index.assign(forecast=forecasts["forecast"] + pull, earlier_forecast=pull)
    return Published(made_by, data, rows)


def moved(changes: pd.DataFrame) -> dict[str, list[float]]:
    """Causes that are not zero everywhere, by the row."""
    rounded = changes[list(CAUSES)].round(6)
    return {cause: rounded[cause].tolist() for cause in CAUSES if rounded[cause].any()}


BEFORE = published(model(), tables(history()))
QUIET = history(weeks=59)
"""A week more that sold what all have sold."""

RELEVANT = LevelShiftParams(
    min_log_ratio=0.1, noise_multiple=1, hold_weeks=2, base_weeks=4, min_stores=1, min_season_share=0
)


def test_a_week_that_sold_as_forecast_changes_nothing():
    changes = explain_changes(BEFORE, published(model(), tables(QUIET)))
    assert changes[ROW_KEYS].to_numpy().tolist() == [
        [store, "bikes", week] for store in STORES for week in pd.date_range(WEEKS[59], periods=3, freq="7D")
    ]
    assert changes["before"].tolist() == changes["after"].tolist() == [100.0] * 6
    assert moved(changes) == {}


def test_an_earlier_week_that_was_restated_is_the_only_cause():
    restated = history({57: 120.0}, weeks=59)
    known_late = Level(weeks=3)
    before = published(model(method=known_late), tables(history()))
    changes = explain_changes(before, published(model(method=known_late), tables(restated)))
    # the mean of weeks 55 to 57 was 100 and is 106.67; of weeks 56 to 58 it is the same
    assert moved(changes) == {"restated": [6.666667] * 3 + [0.0] * 3}


def test_a_new_week_is_the_only_cause():
    changes = explain_changes(BEFORE, published(model(), tables(history({58: 140.0}, weeks=59))))
    assert moved(changes) == {"new_weeks": [20.0] * 3 + [0.0] * 3}


def test_other_plans_for_the_weeks_ahead_are_the_only_cause():
    before = published(model(), tables(history(), plans(5.0)))
    after = published(model(), tables(QUIET, plans(8.0)))
    assert moved(explain_changes(before, after)) == {"future_covariates": [3.0] * 6}


def test_plans_for_weeks_that_nothing_was_planned_for_before_change_nothing():
    before = published(model(), tables(history(), plans(5.0, weeks=4)))
    after = published(model(), tables(QUIET, pd.concat([plans(5.0, weeks=4), plans(9.0, first=62)])))
    assert moved(explain_changes(before, after)) == {}


def test_the_same_method_fitted_again_is_a_refit():
    after = published(model(times=1.1), tables(QUIET))
    assert moved(explain_changes(BEFORE, after)) == {"refit": [10.0] * 6}


def test_the_same_method_with_other_options_is_another_model():
    after = published(model(times=1.1, method=Level(weeks=1)), tables(QUIET))
    assert moved(explain_changes(BEFORE, after)) == {"model": [10.0] * 6}


def test_another_method_is_another_model():
    after = published(model(method=Hundred(amount=70.0), name="hundred"), tables(QUIET))
    assert moved(explain_changes(BEFORE, after)) == {"model": [-30.0] * 6}


def test_a_level_shift_that_is_found_now_is_the_only_cause():
    """The method looks at weeks before and after the jump: brought to one level, they forecast more."""
    weeks = pd.date_range(end=WEEKS[58], periods=150, freq="7D")
    panel = pd.MultiIndex.from_product([STORES, ["bikes"], weeks], names=ROW_KEYS).to_frame(index=False)
    panel["turnover"] = np.where(panel["week"] >= WEEKS[56], 200.0, 100.0)
    four = Level(weeks=4)
    before = published(model(method=four), tables(panel[panel["week"] <= WEEKS[57]]))
    after = published(model(method=four, level_shifts=RELEVANT), tables(panel))
    assert before.shifts.empty
    assert after.shifts["factor"].round(6).tolist() == [2.0]
    changes = explain_changes(before, after)
    # weeks 54 to 57 sold 100, 100, 200, 200; 55 to 58 sold 100, 200, 200, 200; adjusted all sold 200
    assert moved(changes) == {"new_weeks": [25.0] * 6, "level_shift": [25.0] * 6}


def test_what_steadiness_adds_is_a_cause_of_its_own():
    before = published(model(), tables(history()), pull=7.0)
    changes = explain_changes(before, published(model(), tables(QUIET), pull=4.0))
    assert moved(changes) == {"steadiness": [-3.0] * 6}


def test_a_publication_that_its_model_does_not_make_again_is_refused():
    rows = BEFORE.forecasts.assign(forecast=BEFORE.forecasts["forecast"] + 1)
    before = Published(BEFORE.model, BEFORE.data, rows)
    with pytest.raises(
        InputError, match=r"cannot be made again from what is kept: they differ by up to 0.99%"
    ):
        explain_changes(before, published(model(), tables(QUIET)))


def test_publications_without_a_common_week_have_no_changes():
    after = published(
        model(), tables(pd.concat([history(weeks=58), history(weeks=62).query("week > @WEEKS[57]")]))
    )
    after = Published(
        after.model, after.data, after.forecasts[after.forecasts["week"] > WEEKS[59] + pd.Timedelta(weeks=9)]
    )
    pd.testing.assert_frame_equal(explain_changes(BEFORE, after), no_changes())


amounts = st.floats(min_value=1.0, max_value=1e5)


@settings(max_examples=12)  # each makes a dozen forecasts
@given(
    restated=amounts,
    new=amounts,
    planned=st.tuples(amounts, amounts),
    times=st.tuples(st.floats(0.1, 3.0), st.floats(0.1, 3.0)),
    pulls=st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)),
)
def test_causes_add_up_to_the_change_in_whatever_has_changed(restated, new, planned, times, pulls):
    before = published(model(times[0]), tables(history(), plans(planned[0])), pulls[0])
    later = tables(history({57: restated, 58: new}, weeks=59), plans(planned[1]))
    after = published(model(times[1]), later, pulls[1])
    changes = explain_changes(before, after)
    assert list(changes.columns) == [*ROW_KEYS, *MONEY]
    rest = changes["before"] + changes[list(CAUSES)].sum(axis=1) - changes["after"]
    assert rest.abs().max() < 1e-9 * (1 + changes["after"].max() + changes["before"].max())
    both = shapley_at_total(before, after)
    change = (changes["after"] - changes["before"]).sum()
    for column in ("fixed_order", "shapley"):
        assert both[column].sum() == pytest.approx(change, rel=1e-9, abs=1e-6)
    fixed = both.set_index("cause")["fixed_order"]
    for cause, value in changes[list(CAUSES)].sum().items():
        assert fixed.get(cause, 0.0) == pytest.approx(value, rel=1e-9, abs=1e-6)


# --- the Shapley value -------------------------------------------------------------------------------


def test_causes_that_add_to_each_other_count_the_same_in_every_order():
    worth = {"a": 1.0, "b": -2.0, "c": 4.0}
    found = shapley(list(worth), lambda some: sum(worth[name] for name in some))
    for column in ("fixed_order", "shapley", "lowest", "highest"):
        assert found.set_index("cause")[column].to_dict() == pytest.approx(worth)


def test_causes_that_work_only_together_share_the_change_alike():
    found = shapley(["a", "b"], lambda some: 10.0 if some == {"a", "b"} else 0.0).set_index("cause")
    assert found["fixed_order"].tolist() == [0.0, 10.0]
    assert found["shapley"].tolist() == [5.0, 5.0]
    assert found[["lowest", "highest"]].to_numpy().tolist() == [[0.0, 10.0]] * 2


def test_a_refit_that_scales_what_is_new_shares_the_product():
    """100 a week becomes 140 in the new week and times 1.1 by the refit: 20 and 2 of it are of both."""
    after = published(model(times=1.1), tables(history({58: 140.0}, weeks=59)))
    found = shapley_at_total(BEFORE, after).set_index("cause")
    # one store's three weeks rise by 20 each; both stores' six by a tenth
    assert found["fixed_order"].to_dict() == pytest.approx(
        {"new_weeks": 60.0, "refit": 66.0, "steadiness": 0.0}
    )
    assert found["shapley"].to_dict() == pytest.approx({"new_weeks": 63.0, "refit": 63.0, "steadiness": 0.0})


# --- tables ------------------------------------------------------------------------------------------

CHANGES = pd.DataFrame(
    {
        "store": [1, 1, 2],
        "department": "bikes",
        "week": [WEEKS[0], WEEKS[1], WEEKS[0]],
        "before": [100.0, 100.0, 200.0],
        **dict.fromkeys(CAUSES, 0.0),
        "after": [110.0, 120.0, 190.0],
    }
)


def test_moves_that_cancel_do_not_count_at_the_level_of_their_sum():
    assert cycle_change(CHANGES, ["store", "department"]) == pytest.approx((10 + 20 + 10) / 400)
    assert cycle_change(CHANGES, []) == pytest.approx((0 + 20) / 400)
    assert np.isnan(cycle_change(no_changes(), []))


def test_the_largest_change_is_first_whether_up_or_down():
    found = largest_changes(CHANGES, 5)
    assert found[["store", "weeks", "before", "after", "change"]].to_numpy().tolist() == [
        [1, 2, 200.0, 230.0, 30.0],
        [2, 1, 200.0, 190.0, -10.0],
    ]
    assert len(largest_changes(CHANGES, 1)) == 1


def test_causes_in_words_are_those_that_matter():
    assert in_words({"restated": -1.0, "new_weeks": 300.0, "refit": -1200.0}) == (
        "the method was fitted again: -1,200; weeks that came since: +300"
    )
    assert in_words(dict.fromkeys(CAUSES, 0.0)) == "nothing"
    assert all(earlier != later for earlier, later in pairwise(sorted(CAUSES.values())))


def test_labels_of_the_database_become_those_of_the_tables():
    rows = pd.DataFrame({"store": ["2", "9"], "department": "bikes", "forecast": [1.0, 2.0]})
    found = labelled(rows, BEFORE.data)
    assert found["store"].tolist() == [2]
    assert found["store"].dtype == BEFORE.data.stores["store"].dtype


def test_a_history_from_the_database_has_its_gaps_again():
    known = history(weeks=4).astype({"store": str})
    data = with_panel(BEFORE.data, known[(known["week"] != WEEKS[2]) | (known["store"] == "2")])
    expected = history(weeks=4)
    expected.loc[(expected["week"] == WEEKS[2]) & (expected["store"] == 1), "turnover"] = np.nan
    pd.testing.assert_frame_equal(data.panel, expected)
