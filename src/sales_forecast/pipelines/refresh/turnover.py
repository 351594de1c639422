"""Turnover: the model that serves on the newest weeks."""

from __future__ import annotations

import logging

import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, backtest_fold
from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams
from sales_forecast.forecasting.evaluation.gate_result import GateParams
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.intervals.hierarchy import learn_level_half_widths
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.forecasting.panel.windows import past_cutoffs, weeks_since_grid
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import DataVersion
from sales_forecast.pipelines.registration.turnover_gate import check_refit
from sales_forecast.pipelines.registration.turnover_submission import make_submission
from sales_forecast.registry.serving import ServingModel, Submission

logger = logging.getLogger(__name__)


def refit_champion(
    champion: ServingModel[TurnoverPackage] | None,
    model_input: ModelInput,
    forecast_index: pd.DataFrame,
    data_version: DataVersion,
    backtest: BacktestParams,
    gate: GateParams,
    fold_cache: FoldCacheParams,
) -> list[Submission[TurnoverPackage]]:
    """Fit the method that serves on the newest weeks, and measure it in the windows that became complete.

    Args:
        champion: The model that serves.
        model_input: Past turnover, and what is known of stores and weeks.
        forecast_index: The weeks that are wanted.
        data_version: Of this run's raw files.
        backtest: Stride and number of the windows that the model's figures rest on.
        gate: What a refit must meet.
        fold_cache: Where folds are that were computed before.

    Returns:
        The refit, which takes over; nothing where a model was made from these files already.

    Raises:
        InputError: No model serves yet; the files are older than what it has seen; the new weeks are not
            what was expected of them; or the refit went wrong. What serves goes on.
    """
    if champion is None:
        raise InputError(
            "there is no model of this retailer to refresh yet: a whole run makes the first one (kedro run)"
        )
    served, last = champion.package.model, model_input.last_week.date()
    if not champion.is_news(data_version.version):
        logger.info("A model was fitted on these files before; version %s serves.", champion.version)
        return []
    kept = FoldCache(fold_cache)
    today = served.context(model_input).changed(forecaster=kept.fit_and_forecast)
    windows = _with_newer_windows(champion.package, today, backtest, kept)
    learned = learn_level_half_widths(windows, model_input.panel, model_input.stores, served.intervals)
    refit = served.refit(today).model_copy(update={"level_half_widths": learned})
    kept.trim()
    if objections := check_refit(refit, champion.package, model_input, gate):
        raise InputError(
            f"the refit of version {champion.version} is held, and that version goes on serving as it was: "
            f"{'; '.join(objections)}. Look at the newest weeks of the files; if they are right, a whole run "
            "(kedro run) lets all methods learn from them and decides which one serves."
        )
    why = f"refresh: version {champion.version} on weeks up to {last}"
    given = model_input, forecast_index, data_version, champion
    return [make_submission(refit, windows, *given, promote=True, why=why)]


def _with_newer_windows(
    package: TurnoverPackage, today: ForecastContext, backtest: BacktestParams, kept: FoldCache
) -> pd.DataFrame:
    """Past forecasts of the model, of the newest windows on the grid and of the newest complete one."""
    model, horizon_weeks = package.model, package.model.horizon_weeks
    weeks = today.raw.weeks
    known = set(package.backtest["cutoff"])
    cutoffs = past_cutoffs(weeks, horizon_weeks, backtest.stride_weeks)
    newer = [cutoff for cutoff in cutoffs if cutoff > max(known)]
    folds = [
        rows
        for cutoff in newer
        for rows, _ in backtest_fold(
            today.as_of(cutoff),
            Methods({model.name: model.method}),
            actuals_after(today.data.panel, cutoff, horizon_weeks),
            model.intervals,
            kept.fit_and_forecast,
        )
    ]
    rows = pd.concat([package.backtest, *folds], ignore_index=True)
    wanted = sorted(
        cutoff
        for cutoff in {*known, *newer}
        if cutoff == cutoffs[-1] or weeks_since_grid(cutoff, backtest.stride_weeks) == 0
    )
    return rows[rows["cutoff"].isin(wanted[-backtest.folds :])]
