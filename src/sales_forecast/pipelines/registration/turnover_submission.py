"""Turnover: the best method of a run fitted on everything, and handed to the registry."""

from __future__ import annotations

import logging
from dataclasses import replace

import pandas as pd

from sales_forecast.forecasting.distributed import FittingParams, prefit
from sales_forecast.forecasting.evaluation.backtest import BacktestParams
from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams
from sales_forecast.forecasting.evaluation.gate_result import GateParams
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.intervals.conformal import HalfWidths
from sales_forecast.forecasting.intervals.hierarchy import LevelHalfWidths, learn_level_half_widths
from sales_forecast.forecasting.intervals.windows import IntervalParams, origin_weights
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import DataVersion, SelectedMethod, TurnoverGateDecision
from sales_forecast.pipelines.registration.turnover_card import score_windows, write_card
from sales_forecast.pipelines.registration.turnover_gate import check_refit, is_newer
from sales_forecast.registry.serving import ServingModel, Submission

logger = logging.getLogger(__name__)


def fit_selected(
    model_input: ModelInput,
    selected_method: SelectedMethod,
    cold_start_half_widths: HalfWidths,
    level_half_widths: LevelHalfWidths,
    backtest: BacktestParams,
    methods: Methods,
    intervals: IntervalParams,
    level_shifts: LevelShiftParams,
    fitting: FittingParams,
    fold_cache: FoldCacheParams,
) -> TurnoverModel:
    """Fit the best method of the backtest on everything there is.

    Args:
        model_input: Past turnover, and what is known of stores and weeks.
        selected_method: The evaluation's choice.
        cold_start_half_widths: How wide the intervals of the youngest series are.
        level_half_widths: How wide the intervals of sums are.
        backtest: For how many weeks ahead the intervals are learnt.
        methods: Candidates.
        intervals: How their width is learnt.
        level_shifts: How level shifts are found.
        fitting: Who fits.
        fold_cache: Where folds are that were computed before.
    """
    kept = FoldCache(fold_cache).fit_and_forecast
    context = ForecastContext.latest(model_input, level_shifts).changed(forecaster=kept)
    name = selected_method.method
    chosen = {name: methods.root[name]}
    learned_from = origin_weights(context.raw.weeks, backtest.horizon_weeks, intervals)
    method = prefit(chosen, context, [context.cutoff, *learned_from], fitting)[name]
    return TurnoverModel(
        name=name,
        method=methods.root[name],
        cutoff=context.cutoff.date(),
        horizon_weeks=backtest.horizon_weeks,
        level_shifts=level_shifts,
        intervals=intervals,
        half_widths=learn_half_widths(method, context, intervals, backtest.horizon_weeks, kept),
        cold_start_half_widths=cold_start_half_widths,
        level_half_widths=level_half_widths,
        fitted=method.fit(context),
    )


def submit(
    model: TurnoverModel,
    champion: ServingModel[TurnoverPackage] | None,
    gate_decision: TurnoverGateDecision,
    backtest: pd.DataFrame,
    champion_backtest: pd.DataFrame,
    model_input: ModelInput,
    forecast_index: pd.DataFrame,
    data_version: DataVersion,
    gate: GateParams,
    fold_cache: FoldCacheParams,
) -> list[Submission[TurnoverPackage]]:
    """Hand this run's model to the registry; if it is refused on newer data, the one that serves, refitted.

    Args:
        model: This run's, as ``fit_selected`` returns it.
        champion: The model that serves; None before the first one.
        gate_decision: As ``decide_deployment`` returns it.
        backtest: Every forecast of this run's past.
        champion_backtest: The same of the model that serves.
        model_input: Past turnover, and what is known of stores and weeks.
        forecast_index: The weeks that are wanted.
        data_version: Of this run's raw files.
        gate: What a refit must meet.
        fold_cache: Where folds are that were computed before.
    """
    given = model_input, forecast_index, data_version, champion
    own = backtest[backtest["method"] == model.name]
    promote = gate_decision.promote
    submissions = [
        make_submission(model, own, *given, promote=promote, why=gate_decision.summary, decided=gate_decision)
    ]
    if champion is None or promote or not is_newer(model, champion, data_version):
        return submissions
    served = champion.package.model
    kept = FoldCache(fold_cache).fit_and_forecast
    again = served.refit(served.context(model_input).changed(forecaster=kept))
    learned = learn_level_half_widths(
        champion_backtest, model_input.panel, model_input.stores, served.intervals
    )
    sums = {"level_half_widths": learned}
    why = f"refit: version {champion.version} on newer data, as {model.name} was refused"
    refitted = again.model_copy(update=sums)
    objections = check_refit(refitted, champion.package, model_input, gate)
    if objections:
        why = f"refused: refit of version {champion.version}; {'; '.join(objections)}"
        logger.warning("Version %s goes on serving as it is. %s", champion.version, "; ".join(objections))
    return [
        *submissions,
        make_submission(refitted, champion_backtest, *given, promote=not objections, why=why),
    ]


def make_submission(
    fitted: TurnoverModel,
    backtest: pd.DataFrame,
    model_input: ModelInput,
    forecast_index: pd.DataFrame,
    data_version: DataVersion,
    champion: ServingModel[TurnoverPackage] | None,
    *,
    promote: bool,
    why: str,
    decided: TurnoverGateDecision | None = None,
) -> Submission[TurnoverPackage]:
    """Put a model, what it forecasts from and its card together for the registry.

    Args:
        fitted: The model.
        backtest: What its method would have forecast, with what came true.
        model_input: Past turnover, and what is known of stores and weeks.
        forecast_index: The weeks that are wanted.
        data_version: Of the raw files.
        champion: The model that served when this one was judged.
        promote: Whether it takes over.
        why: In words.
        decided: The gate's decision, for its numbers.
    """
    past = model_input.panel[["store", "department", "week", "turnover"]]
    return Submission(
        TurnoverPackage(
            fitted, replace(model_input, panel=past), forecast_index, backtest.reset_index(drop=True)
        ),
        write_card(fitted, backtest, past, data_version),
        promote,
        why,
        data_version.version,
        champion.version if champion else None,
        decided.numbers if decided else {},
        score_windows(backtest),
        fitted.cutoff if decided else None,
    )
