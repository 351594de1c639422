"""Turnover: this run's best method against the model that serves."""

from __future__ import annotations

import logging
import math

import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.backtest import backtest_fold
from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams
from sales_forecast.forecasting.evaluation.gate import judge, object_to_refit
from sales_forecast.forecasting.evaluation.gate_result import GateParams
from sales_forecast.forecasting.evaluation.metrics import window_wapes
from sales_forecast.forecasting.evaluation.significance import refuse_other_rows
from sales_forecast.forecasting.features.context import actuals_after, weeks_ahead
from sales_forecast.forecasting.methods.base import Requirements
from sales_forecast.forecasting.methods.declare import Methods, declare
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import (
    ChampionVersion,
    ComparedData,
    DataVersion,
    SelectedMethod,
    TurnoverGateDecision,
)
from sales_forecast.registry.serving import ServingModel

logger = logging.getLogger(__name__)


def backtest_champion(
    champion: ServingModel[TurnoverPackage] | None,
    backtest: pd.DataFrame,
    selected_method: SelectedMethod,
    forecast_index: pd.DataFrame,
    model_input: ModelInput,
    fold_cache: FoldCacheParams,
) -> pd.DataFrame:
    """Let the model that serves forecast the windows of this run, its method fitted in each as then.

    Args:
        champion: The model that serves; None before the first one.
        backtest: Every forecast of this run's past.
        selected_method: The evaluation's choice, whose rows the comparison uses.
        forecast_index: The weeks that are wanted.
        model_input: Past turnover, and what is known of stores and weeks.
        fold_cache: Where folds are that were computed before.

    Returns:
        Rows as in ``backtest``; no rows if it cannot forecast them.

    Raises:
        InputError: The backtest was scored against other turnover than there is now.
    """
    wanted_rows: pd.DataFrame = backtest[backtest["method"] == selected_method.method]
    _refuse_stale(wanted_rows, model_input.panel)
    if champion is None:
        return wanted_rows.head(0)
    model = champion.package.model
    methods, horizon_weeks = Methods({model.name: model.method}), int(wanted_rows["horizon"].max())
    today = model.context(model_input)
    wanted = {"the backtest": horizon_weeks}
    if len(forecast_index):
        wanted["the file of weeks to forecast"] = int(weeks_ahead(forecast_index, today.cutoff).max())
    try:
        methods.refuse_problems(Requirements(wanted, ["department", *model_input.stores.columns]))
        folds = [
            rows
            for cutoff in sorted(wanted_rows["cutoff"].unique())
            for rows, _ in backtest_fold(
                today.as_of(cutoff),
                methods,
                actuals_after(model_input.panel, cutoff, horizon_weeks),
                model.intervals,
                FoldCache(fold_cache).fit_and_forecast,
            )
        ]
    except InputError as error:
        logger.warning("Version %s cannot make the forecasts of this run: %s", champion.version, error)
        return wanted_rows.head(0)
    FoldCache(fold_cache).trim()
    return pd.concat(folds, ignore_index=True)


def _refuse_stale(rows: pd.DataFrame, panel: pd.DataFrame) -> None:
    """Refuse a backtest whose rows or actual turnover are not those of the panel."""
    horizon_weeks = int(rows["horizon"].max())
    actuals = [
        actuals_after(panel, cutoff, horizon_weeks).assign(cutoff=cutoff)
        for cutoff in rows["cutoff"].unique()
    ]
    try:
        refuse_other_rows(rows, pd.concat(actuals))
    except InputError as error:
        raise InputError(
            f"the backtest is not that of the turnover in data/, so no model is judged: {error} Run the "
            "modelling stage again, or everything: kedro run."
        ) from error


def decide_deployment(
    model: TurnoverModel,
    champion: ServingModel[TurnoverPackage] | None,
    backtest: pd.DataFrame,
    champion_backtest: pd.DataFrame,
    model_input: ModelInput,
    data_version: DataVersion,
    gate: GateParams,
) -> TurnoverGateDecision:
    """Decide whether this run's best method takes over.

    Args:
        model: Model of this run, as ``fit_selected`` returns it.
        champion: The model that serves; None before the first one.
        backtest: Every forecast of this run's past.
        champion_backtest: As ``backtest_champion`` returns it.
        model_input: Past turnover, and what is known of stores and weeks.
        data_version: Version of this run's raw files.
        gate: Conditions that a challenger must meet.

    Returns:
        The decision with what ``gate.judge`` found.
    """
    if champion is None:
        return TurnoverGateDecision(
            decision="first",
            promote=True,
            reasons=("no model serves yet",),
            data=ComparedData(challenger=data_version.version),
            method=model.name,
        )
    served = champion.package.model
    data = ComparedData(challenger=data_version.version, champion=champion.data_version)
    version = ChampionVersion(version=champion.version, method=served.name)
    if champion_backtest.empty:
        return TurnoverGateDecision(
            decision="unable",
            promote=True,
            reasons=("the one before cannot make the forecasts of this run",),
            champion=version,
            data=data,
            method=model.name,
        )
    own = backtest[backtest["method"] == model.name]
    found = judge(own, champion_backtest, model_input.stores, gate)
    decision = TurnoverGateDecision(
        decision="better" if found.promote else "refused",
        champion=version,
        data=data,
        method=model.name,
        **found.model_dump(mode="json"),
    )
    newer = is_newer(model, champion, data_version)
    if not decision.promote and newer and declare(model.method) == declare(served.method):
        if objections := check_refit(model, champion.package, model_input, gate):
            return decision.model_copy(update={"reasons": objections})
        return decision.promoted("refit", "the same method, fitted on newer data")
    return decision


def check_refit(
    refit: TurnoverModel, before: TurnoverPackage, model_input: ModelInput, gate: GateParams
) -> tuple[str, ...]:
    """Let a refit and the fit before it forecast the newest complete window.

    Args:
        refit: The method fitted on newer data.
        before: The package that serves.
        model_input: Past turnover, and what is known of stores and weeks.
        gate: Tolerances.

    Returns:
        What speaks against the refit, see ``gate.object_to_refit``.
    """
    cutoff = model_input.last_week - pd.Timedelta(weeks=refit.horizon_weeks)
    actuals = actuals_after(model_input.panel, cutoff, refit.horizon_weeks)
    context = refit.context(model_input).as_of(cutoff)
    new, old = (
        model.forecast(context, actuals[ROW_KEYS]).assign(turnover=actuals["turnover"].to_numpy())
        for model in (refit, before.model)
    )
    return object_to_refit(new, old, max(window_wapes(before.backtest), default=math.inf), gate)


def is_newer(
    model: TurnoverModel, champion: ServingModel[TurnoverPackage], data_version: DataVersion
) -> bool:
    """Whether this run's data are new, and not those of an earlier day.

    Args:
        model: Model of this run.
        champion: The model that serves.
        data_version: Version of this run's raw files.
    """
    return champion.is_news(data_version.version) and model.cutoff >= champion.package.model.cutoff
