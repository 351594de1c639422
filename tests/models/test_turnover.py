"""The packaged turnover model: written and read without pickle, asked as MLflow asks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from pydantic import ValidationError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from contexts import NO_CALENDAR, NO_SHIFTS
from handovers import half_widths
from sales_forecast.errors import InputError
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models import earlier_format
from sales_forecast.models.marketing import BudgetPackage
from sales_forecast.models.turnover import FORECAST_COLUMNS, TurnoverForecaster, TurnoverPackage, _load_pyfunc

WEEKS = pd.date_range("2016-08-06", periods=53, freq="7D")
AHEAD = WEEKS[-1] + pd.to_timedelta([7, 14], unit="D")
WIDTHS = half_widths(0.1, 0.2)


class Promoted(Method, frozen=True):
    """A hundred, and more by the promotion that is planned."""

    def forecast(self, context, forecast_index, fitted):
        plan = context.data.future_covariates.set_index(["store", "department", "week"])["promotion"]
        return 100 * (1 + plan.reindex(pd.MultiIndex.from_frame(forecast_index)).fillna(0).to_numpy())


@pytest.fixture(scope="module")
def package() -> TurnoverPackage:
    keys = pd.MultiIndex.from_product([[7, 9], ["bikes"], WEEKS], names=["store", "department", "week"])
    forecast_index = pd.MultiIndex.from_product([[7, 9], ["bikes"], AHEAD], names=keys.names).to_frame(
        index=False
    )
    return TurnoverPackage(
        TurnoverModel(
            name="promoted",
            method=Promoted(),
            fitted={},
            cutoff=WEEKS[-1].date(),
            horizon_weeks=2,
            level_shifts=NO_SHIFTS,
            intervals=IntervalParams(scale_share=0.1),
            half_widths=WIDTHS,
            cold_start_half_widths=WIDTHS,
            level_half_widths={},
        ),
        ModelInput(
            panel=keys.to_frame(index=False).assign(turnover=100.0),
            stores=pd.DataFrame({"store": [7, 9], "region": "n", "zone": "1"}),
            calendar=NO_CALENDAR,
            future_covariates=forecast_index.assign(promotion=[0.0, 0.5, 0.0, 0.0]),
        ),
        forecast_index=forecast_index,
        backtest=pd.DataFrame({"cutoff": WEEKS[:1], "turnover": 1.0, "forecast": 1.0}),
    )


def _ask(package: TurnoverPackage, **columns) -> pd.DataFrame:
    return TurnoverForecaster(package).predict(pd.DataFrame(columns))


def test_a_fitted_state_that_json_cannot_hold_is_refused(package):
    content = package.model.model_dump(mode="json") | {"fitted": {"slopes": np.ones(3)}}
    with pytest.raises(ValidationError, match=r"fitted\.slopes"):
        TurnoverModel(**content)


def test_what_is_written_is_read_and_answers_the_same(package, tmp_path: Path):
    package.write(tmp_path)
    question = pd.DataFrame({"store": [9, 7], "department": "bikes"})
    again = _load_pyfunc(str(tmp_path), {"method_modules": [__name__]}).predict(question)
    assert_frame_equal(again, TurnoverForecaster(package).predict(question))
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".parquet"}


def test_without_a_horizon_every_week_is_answered_in_the_order_asked(package):
    answer = _ask(package, store=[9, 7], department="bikes")
    assert list(answer.columns) == FORECAST_COLUMNS
    assert answer["store"].tolist() == [9, 9, 7, 7]
    assert answer["week"].tolist() == [*AHEAD, *AHEAD]
    assert answer["forecast"].tolist() == [100, 100, 100, 150]
    assert (answer["lo_80"] < answer["forecast"]).all()
    assert answer["q10"].tolist() == answer["lo_80"].tolist()
    assert (answer["q70"] > answer["q50"]).all()


def test_a_horizon_answers_that_week_alone_as_often_as_asked(package):
    answer = _ask(package, store=[7, 7], department="bikes", horizon=[2, 2])
    assert answer["forecast"].tolist() == [150, 150]


def test_what_if_takes_the_place_of_the_plan_in_the_weeks_asked_about(package):
    answer = _ask(package, store=[7, 9], department="bikes", horizon=[1, 2], promotion=[0.2, 1.0])
    np.testing.assert_allclose(answer["forecast"], [120, 200])
    assert _ask(package, store=[7], department="bikes", horizon=[1])["forecast"].tolist() == [100]


def test_what_if_leaves_the_plan_where_nothing_is_said(package):
    answer = _ask(package, store=[7, 7], department="bikes", horizon=[1, 2], promotion=[1.0, np.nan])
    assert answer["forecast"].tolist() == [200, 150]
    with pytest.raises(InputError, match=r"1 row.* of the request repeat a store"):
        _ask(package, store=[7, 7], department="bikes", horizon=[1, 1], promotion=[0.0, 1.0])


def test_labels_are_known_as_text_and_as_numbers(package):
    answer = _ask(package, store=["7"], department="bikes", horizon=[1])
    assert answer["store"].tolist() == [7]


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ({"store": [7]}, "missing: department"),
        ({"store": [1], "department": "bikes"}, "'store': 1 value.* does not know, e.g. '1'"),
        ({"store": [7, 9], "department": ["bikes", "boats"]}, "'department': 1 value.* e.g. 'boats'"),
        ({"store": [7], "department": "bikes", "horizon": [3]}, "'horizon': 1 value.* from 1 to 2, e.g. 3"),
        ({"store": [7], "department": "bikes", "horizon": [1.5]}, "e.g. 1.5"),
    ],
)
def test_what_cannot_be_answered_is_said(package, question, says):
    with pytest.raises(InputError, match=says):
        _ask(package, **question)


# --- packages that were registered under earlier names ---------------------------------------------

EARLIER = Path(__file__).parent / "earlier_package"
"""Made by the code of commit 2f55876, before methods, tables and fields got their present names."""


def test_a_package_with_earlier_names_answers_what_it_answered_then():
    package = TurnoverPackage.read(EARLIER / "package")
    question = package.forecast_index[["store", "department"]].drop_duplicates(ignore_index=True)
    answer = TurnoverForecaster(package).predict(question)
    then = pd.read_parquet(EARLIER / "forecasts.parquet")
    assert_frame_equal(answer[then.columns], then)


def test_quantiles_of_a_package_with_earlier_names_meet_the_intervals_it_answered_then():
    package = TurnoverPackage.read(EARLIER / "package")
    answer = TurnoverForecaster(package).predict(package.example())
    quantiles = [f"q{percent:02d}" for percent in range(5, 100, 5)]
    rising = answer[["lo_95", *quantiles, "hi_95"]]
    assert (rising.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    for quantile, known in (("q10", "lo_80"), ("q50", "forecast"), ("q90", "hi_80")):
        assert answer[quantile].tolist() == answer[known].tolist()
    assert (answer["q70"] > answer["q60"]).all()


def test_a_department_with_one_half_width_of_its_own_has_the_other_of_all_departments():
    """Earlier code learned a half-width per coverage from as many errors as that took."""
    content = json.loads((EARLIER / "package" / "model.json").read_text())
    content["widths"] = {"80": {"": 0.2, "10": 0.9}, "95": {"": 0.5}}
    multiples = earlier_format.to_present(content)["half_widths"]["multiples"]
    assert [multiples[coverage].get("10") for coverage in ("80", "90", "95")] == [0.9, 0.9, None]
    assert multiples["10"].keys() == multiples["90"].keys() == {"", "10"}


def test_forecasts_of_a_package_with_earlier_names_are_explained_as_they_were_then():
    package = TurnoverPackage.read(EARLIER / "package")
    forecasts = package.model.forecast(package.context, package.forecast_index)
    then = pd.read_parquet(EARLIER / "attributions.parquet")
    now = package.model.explain(package.context, forecasts)
    renamed = then.rename(columns={"known_ahead": "future_covariates"})
    assert_frame_equal(now, renamed.assign(earlier_forecast=0.0))


def test_a_package_with_earlier_names_is_written_with_present_ones(tmp_path: Path):
    earlier = TurnoverPackage.read(EARLIER / "package")
    earlier.write(tmp_path)
    again = TurnoverPackage.read(tmp_path)
    assert again.model == earlier.model
    assert not {"known_ahead.parquet", "targets.parquet"} & {path.name for path in tmp_path.iterdir()}


def test_equal_packages_have_equal_digests_however_they_lie_in_memory(
    package: TurnoverPackage, tmp_path: Path
) -> None:
    package.write(tmp_path)
    assert TurnoverPackage.read(tmp_path, [__name__]).digest() == package.digest()
    more = package.backtest.copy()
    panel = package.data.panel.copy()
    panel.loc[panel.index[0], "turnover"] += 1e-9
    others = [
        replace(package, data=replace(package.data, panel=panel)),
        replace(package, backtest=pd.concat([more, more])),
        replace(package, model=package.model.model_copy(update={"horizon_weeks": 9})),
    ]
    assert package.digest() not in {other.digest() for other in others}
    assert len({other.digest() for other in others[::2]}) == 2


def test_equal_lines_have_equal_digests() -> None:
    train = pd.DataFrame({"tv": np.arange(10.0), "sales": np.arange(10.0) * 2 + 1})

    def fitted(**options: bool) -> BudgetPackage:
        pipeline = make_pipeline(MinMaxScaler(), LinearRegression(**options))
        return BudgetPackage(pipeline.fit(train[["tv"]], train["sales"]), train, dict(options))

    assert fitted().digest() == fitted().digest()
    assert fitted().digest() != fitted(positive=True).digest()
