"""Methods made of methods: their mean, weighted by the past, and a choice by the length of the history."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

from contexts import Hundred, small_context
from sales_forecast.errors import ShortHistoryError
from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Fitted, Method, forecast_all
from sales_forecast.forecasting.methods.blend import Blend, Validation
from sales_forecast.forecasting.methods.by_history import ByHistory


class Scripted(Method, frozen=True):
    """Returns given forecasts, once it has seen enough weeks."""

    values: tuple[float, ...]
    needs_weeks: int = 1

    def fit(self, context: ForecastContext) -> Fitted:
        weeks = len(context.raw.weeks)
        if weeks < self.needs_weeks:
            raise ShortHistoryError(f"{weeks} weeks are too few for the script: it needs {self.needs_weeks}")
        return {"weeks": weeks}

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> np.ndarray:
        assert fitted == {"weeks": len(context.raw.weeks)}, "each member is given its own state"
        return np.array(self.values)


@pytest.fixture
def wanted(forecast_index) -> pd.DataFrame:
    return forecast_index.head(3)


def _forecast(method: Method, context: ForecastContext, forecast_index: pd.DataFrame) -> list[float]:
    return method.forecast(context, forecast_index, method.fit(context)).tolist()


# --- blend ---------------------------------------------------------------------------------


def test_members_meet_at_the_mean_of_their_roots(context, wanted):
    blend = Blend(members={"one": Scripted(values=(100, 0, 16)), "other": Scripted(values=(400, 100, 16))})
    assert _forecast(blend, context, wanted) == [15**2, 5**2, 16]


def test_a_member_that_is_far_too_high_does_not_dominate(context, wanted):
    others = {name: Scripted(values=(100, 100, 100)) for name in ("one", "two", "three")}
    (forecast, *_) = _forecast(
        Blend(members=others | {"high": Scripted(values=(10_000, 100, 100))}), context, wanted
    )
    assert 100 < forecast < (3 * 100 + 10_000) / 4


def test_a_member_without_a_forecast_is_left_out_row_by_row(context, wanted):
    one, other = Scripted(values=(100, np.nan, np.nan)), Scripted(values=(400, 36, np.nan))
    forecast = _forecast(Blend(members={"one": one, "other": other}), context, wanted)
    assert forecast == pytest.approx([225, 36, np.nan], nan_ok=True)


def test_a_negative_forecast_counts_as_zero(context, wanted):
    blend = Blend(members={"one": Scripted(values=(-100, -1, 0)), "other": Scripted(values=(100, -9, 0))})
    assert _forecast(blend, context, wanted) == [25, 0, 0]


def test_where_no_member_has_a_forecast_the_fallback_is_used(context, wanted):
    members = {"one": Scripted(values=(1, np.nan, np.nan)), "other": Scripted(values=(1, 4, np.nan))}
    assert np.isnan(_forecast(Blend(members=members), context, wanted)[2])
    with_fallback = Blend(members=members, otherwise=Scripted(values=(7, 8, 9)))
    assert _forecast(with_fallback, context, wanted) == pytest.approx([1, 4, 9])


def test_the_order_of_members_does_not_matter(context, wanted):
    one, other = Scripted(values=(100, np.nan, 7)), Scripted(values=(400, 36, 2))
    there, back = ({"a": one, "b": other}, {"b": other, "a": one})
    assert _forecast(Blend(members=there), context, wanted) == _forecast(Blend(members=back), context, wanted)


def test_a_member_whose_history_is_too_short_is_left_out_and_named(context, wanted, caplog):
    weeks = len(context.raw.weeks)
    members = {"slow": Scripted(values=(1, 2, 3), needs_weeks=weeks + 1), "quick": Scripted(values=(4, 5, 6))}
    with caplog.at_level(logging.INFO, logger="sales_forecast"):
        assert _forecast(Blend(members=members), context, wanted) == pytest.approx([4, 5, 6])
    assert "After 2017-08-05 too short a history for: slow" in caplog.text
    caplog.clear()
    just_enough = members | {"slow": Scripted(values=(4, 5, 6), needs_weeks=weeks)}
    with caplog.at_level(logging.INFO, logger="sales_forecast"):
        _forecast(Blend(members=just_enough), context, wanted)
    assert not caplog.text


def test_a_history_too_short_for_all_members_is_refused_as_the_first_of_them_does(context):
    slow = {name: Scripted(values=(), needs_weeks=weeks) for name, weeks in (("slow", 900), ("slower", 950))}
    with pytest.raises(ShortHistoryError, match="too few for the script: it needs 900"):
        Blend(members=slow).fit(context)


def test_a_blend_of_one_is_that_one(methods, forecasts, context, forecast_index):
    alone = Blend(members={"ridge": methods.root["ridge"]})
    forecast = forecast_all(alone, context, forecast_index, alone.fit(context))
    np.testing.assert_allclose(forecast["forecast"], forecasts["ridge"]["forecast"])


def test_the_blend_of_the_parameters_lies_between_its_members(methods, context, forecast_index, fitted):
    blend = methods.root["blend"]
    forecast = blend.forecast(context, forecast_index, fitted["blend"])
    members = [
        member.forecast(context, forecast_index, fitted["blend"]["members"][name])
        for name, member in blend.members.items()
    ]
    both = ~np.isnan(members).any(axis=0)
    assert both.sum() > 100
    assert (forecast[both] >= np.min(members, axis=0)[both] - 1e-6).all()
    assert (forecast[both] <= np.max(members, axis=0)[both] + 1e-6).all()


def test_a_blend_without_members_is_refused():
    with pytest.raises(ValueError, match="members"):
        Blend(members={})


def test_members_are_declared_as_methods_are():
    naive = {"type": "growth_naive"}
    with pytest.raises(ValueError, match=r"members\.naive\.growth_weeks\n.*required"):
        Blend(members={"naive": naive})


# --- alternatives, weighted by the past ----------------------------------------------------------


def _chain(weeks: int = 160, level: float = 100.0, since: int = 0, before: float = 100.0) -> ForecastContext:
    """Three stores that sell one amount a week, and before a position another one."""
    turnover = np.where(np.arange(weeks) >= since, level, before) * np.ones((3, 1))
    return small_context(turnover)


def _choosing(right: Method, wrong: Method, **validation: int) -> Blend:
    return Blend(
        members={"right": right, "wrong": wrong},
        alternatives={"good": ("right",), "bad": ("wrong",)},
        validation=Validation(**validation),
    )


def test_the_alternative_that_was_best_in_the_past_gets_the_weight():
    blend = _choosing(Hundred(amount=100), Hundred(amount=400))
    weights = blend.fit(_chain())["weights"]
    assert weights["right"] > 0.85
    assert weights["right"] + weights["wrong"] == pytest.approx(1)


def test_a_new_winner_takes_over_as_newer_windows_count_more():
    blend = _choosing(Hundred(amount=400), Hundred(amount=100))
    shares = [
        blend.fit(_chain(160 + later, level=400.0, since=150))["weights"]["right"] for later in (0, 26, 78)
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.5 < shares[2]


def test_without_a_window_all_alternatives_count_alike():
    blend = _choosing(Hundred(amount=100), Hundred(amount=400))
    assert blend.fit(_chain(8))["weights"] == pytest.approx({"right": 0.5, "wrong": 0.5})


def test_a_window_that_an_alternative_could_not_forecast_is_no_evidence():
    blend = _choosing(Hundred(amount=100), Hundred(amount=400, needs_weeks=160))
    assert blend.fit(_chain())["weights"] == pytest.approx({"right": 0.5, "wrong": 0.5})


def test_a_member_of_several_alternatives_has_a_share_of_each():
    members = {name: Hundred(amount=amount) for name, amount in (("a", 90), ("b", 110), ("c", 400))}
    blend = Blend(members=members, alternatives={"both": ("a", "b"), "far": ("b", "c")})
    weights = blend.fit(_chain())["weights"]
    assert weights["a"] == pytest.approx(weights["b"] - weights["c"])
    assert sum(weights.values()) == pytest.approx(1)


def test_weights_are_learned_from_nothing_after_the_cutoff():
    context = _chain(200, level=400.0, since=160)
    blend = _choosing(Hundred(amount=100), Hundred(amount=400))
    assert blend.fit(context.as_of(context.cutoff - pd.Timedelta(weeks=40)))["weights"]["right"] > 0.85


def test_forecasts_fitted_for_one_use_equal_those_of_the_fitted_method_whether_kept_or_not(
    methods, context, forecast_index, tmp_path
):
    members = {name: methods.root[name] for name in ("growth_naive", "ridge", "seasonal_naive")}
    blend = Blend(
        members=members,
        alternatives={"one": ("growth_naive", "ridge"), "other": ("seasonal_naive",)},
        validation=Validation(windows=2),
    )
    expected = blend.forecast(context, forecast_index, blend.fit(context))
    np.testing.assert_array_equal(blend.fit_and_forecast(context, forecast_index), expected)
    kept = FoldCache(FoldCacheParams(folder=str(tmp_path), limit_megabytes=10))
    for _ in range(2):
        found = kept.fit_and_forecast(blend, context, forecast_index)["raw"]
        np.testing.assert_array_equal(found, expected)


def test_the_cutoffs_it_looks_back_to_are_those_at_which_members_are_fitted():
    context = _chain()
    blend = _choosing(Hundred(amount=100), Hundred(amount=400), windows=3)
    blend.learn_from_past(context)
    looked_at = {key[-1] for key in context.past_errors if isinstance(key, tuple)}
    assert looked_at == blend.looks_back(context.raw.weeks)
    assert len(blend.looks_back(context.raw.weeks)) == 3


def test_an_alternative_of_an_unknown_member_is_refused():
    with pytest.raises(ValueError, match="alternatives: other is no member; there are one"):
        Blend(members={"one": Hundred(amount=1)}, alternatives={"both": ("one", "other")})


# --- by history ----------------------------------------------------------------------------


@pytest.mark.parametrize(("spare", "choice"), [(0, "enough"), (1, "enough"), (-1, "short")])
def test_enough_weeks_are_enough_to_the_week(context, wanted, spare, choice):
    method = ByHistory(
        enough_weeks=len(context.raw.weeks) - spare,
        enough=Scripted(values=(1, 1, 1)),
        short=Scripted(values=(2, 2, 2)),
    )
    fitted = method.fit(context)
    assert fitted["choice"] == choice
    assert method.forecast(context, wanted, fitted).tolist() == [{"enough": 1, "short": 2}[choice]] * 3


def test_the_choice_falls_on_what_was_known_then(context, wanted):
    method = ByHistory(
        enough_weeks=len(context.raw.weeks), enough=Scripted(values=(1,)), short=Scripted(values=(2,))
    )
    assert method.fit(context)["choice"] == "enough"
    assert method.fit(context.as_of(context.cutoff - pd.Timedelta(weeks=1)))["choice"] == "short"


@pytest.mark.parametrize("enough_weeks", [1, 999])
def test_the_fitted_state_survives_json(methods, context, forecast_index, enough_weeks):
    members = {name: methods.root[name] for name in ("growth_naive", "ridge")}
    method = ByHistory(
        enough_weeks=enough_weeks, enough=Blend(members=members), short=methods.root["growth_naive"]
    )
    fitted = method.fit(context)
    restored = json.loads(json.dumps(fitted))
    forecast = forecast_all(method, context, forecast_index, restored)
    pd.testing.assert_frame_equal(forecast, forecast_all(method, context, forecast_index, fitted))
    assert set(restored["fitted"].get("members", ())) == (set(members) if enough_weeks == 1 else set())
