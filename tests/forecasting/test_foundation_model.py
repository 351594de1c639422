"""A foundation model sees the past of a series, and its median is the forecast."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.methods import foundation
from benchmarks.methods.quantiles import add_details

from contexts import small_context
from sales_forecast.errors import InputError
from sales_forecast.forecasting.methods.base import Method, Requirements, forecast_all
from sales_forecast.forecasting.methods.declare import Methods, OwnMethodsParams

DECLARED = {
    "type": "benchmarks.methods.foundation.FoundationModel",
    "loader": f"{__name__}.load_stub",
    "repair_level_shifts": False,
    "levels": [0.1, 0.5, 0.9],
}
seen: list[np.ndarray] = []


def stub(turnover, horizon_weeks):
    """The last week, and a tenth more for each week ahead; the ends are half and double."""
    seen.append(turnover)
    steps = 1 + np.arange(1, horizon_weeks + 1) / 10
    return turnover[:, -1, None, None] * steps[None, :, None] * np.array([0.5, 1, 2])


def method(**options: object) -> Method:
    return Methods({"foundation": DECLARED | options}).root["foundation"]


def test_the_module_of_the_loader_has_to_be_named_as_well_before_a_model_is_registered_with_it():
    methods = Methods({"foundation": DECLARED})
    named = OwnMethodsParams(modules=("benchmarks.methods.foundation",))
    with pytest.raises(InputError, match=r"methods\.foundation\.loader: .* does not name the module"):
        methods.refuse_unnamed_modules(named)
    loader = str(DECLARED["loader"]).rpartition(".")[0]
    methods.refuse_unnamed_modules(OwnMethodsParams(modules=(*named.modules, loader)))


@pytest.fixture(autouse=True)
def _stub_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stub without an import, as this module has no name in the path of imports."""
    monkeypatch.setattr(foundation, "load", lambda loader, weights: stub)
    seen.clear()


def index(stores: list[int], weeks: int) -> pd.DataFrame:
    ahead = pd.date_range("2017-08-12", periods=weeks, freq="7D")
    return pd.MultiIndex.from_product(
        [stores, ["bikes"], ahead], names=["store", "department", "week"]
    ).to_frame(index=False)


def test_the_median_is_the_forecast_and_the_others_are_its_intervals():
    context = small_context(np.full((2, 60), [[100.0], [200.0]]))
    model = method()
    made = add_details(model, context, forecast_all(model, context, index([0, 1], 2), {}), {})
    assert made["forecast"].tolist() == pytest.approx([110, 120, 220, 240])
    assert made["lo_80"].tolist() == pytest.approx([55, 60, 110, 120])
    assert made["hi_80"].tolist() == pytest.approx([220, 240, 440, 480])
    assert "lo_95" not in made  # its ends are not among the levels


def test_gaps_are_filled_and_weeks_before_the_first_are_unknown():
    turnover = np.full((2, 20), 100.0)
    turnover[0, [*range(5), 10, 19]] = np.nan
    turnover[0, 15] = -30
    quantiles = method().forecast_quantiles(small_context(turnover), index([0], 1), {})
    (shown,) = seen[0]
    assert np.isnan(shown[:5]).all()
    assert shown[[10, 19]].tolist() == [100, 100]
    assert shown[15] == 0
    assert quantiles.shape == (1, 3)


def test_options_bound_what_the_model_sees_at_once():
    context = small_context(np.full((5, 60), 100.0))
    method(context_weeks=52, batch_series=2).forecast_quantiles(context, index([0, 1, 2, 3, 4], 3), {})
    assert [one.shape for one in seen] == [(2, 52), (2, 52), (1, 52)]


def test_a_series_without_history_has_no_forecast():
    context = small_context(np.full((1, 60), 100.0))
    assert np.isnan(method().forecast(context, index([7], 2), {})).all()
    assert not seen


def test_another_shape_than_declared_is_refused():
    context = small_context(np.full((1, 60), 100.0))
    with pytest.raises(InputError, match=r"shape \(1, 2, 3\) instead of \(1, 2, 5\).*turnover.methods"):
        method(levels=[0.025, 0.1, 0.5, 0.9, 0.975]).forecast(context, index([0], 2), {})


def test_missing_weights_and_a_missing_median_stop_the_run_before_any_work(tmp_path: Path):
    declared = DECLARED | {"weights": str(tmp_path / "none.bin"), "levels": [0.1, 0.9]}
    requirements = Requirements(horizon_weeks={}, columns=[])
    with pytest.raises(InputError) as refused:
        Methods({"foundation": declared}).refuse_problems(requirements)
    assert "turnover.methods.foundation.weights: there is no" in str(refused.value)
    assert "turnover.methods.foundation.levels: [0.1, 0.9] lacks 0.5" in str(refused.value)


def test_a_loader_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    context = small_context(np.full((1, 60), 100.0))
    with pytest.raises(InputError, match=r"loader: cannot import 'no_such_module.load'"):
        method(loader="no_such_module.load").forecast(context, index([0], 1), {})
