"""Turnover: the best method of this run against the model that serves."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.distributed import FittingParams, prefit
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, backtest_fold
from sales_forecast.forecasting.evaluation.gate import GateParams, judge, same_rows
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after, weeks_ahead
from sales_forecast.forecasting.intervals.conformal import (
    HalfWidths,
    IntervalParams,
    origins,
)
from sales_forecast.forecasting.intervals.hierarchy import LevelHalfWidths, learn_level_half_widths
from sales_forecast.forecasting.methods.base import Needs
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.registration.turnover_card import score_windows, write_card
from sales_forecast.registry.dataset import Served, Submission

logger = logging.getLogger(__name__)


def fit_selected(
    model_input: ModelInput,
    selected_method: dict[str, Any],
    cold_start_half_widths: HalfWidths,
    level_half_widths: LevelHalfWidths,
    backtest: BacktestParams,
    methods: Methods,
    intervals: IntervalParams,
    level_shifts: LevelShiftParams,
    fitting: FittingParams,
) -> dict[str, Any]:
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

    Returns:
        A ``forecasting.model.TurnoverModel`` as JSON holds it.
    """
    context = ForecastContext.latest(model_input, level_shifts)
    name = selected_method["method"]
    chosen = {name: methods.root[name]}
    method = prefit(chosen, context, origins(context.cutoff, intervals), fitting)[name]
    return TurnoverModel(
        name=name,
        method=methods.root[name],
        cutoff=context.cutoff.date(),
        horizon_weeks=backtest.horizon_weeks,
        level_shifts=level_shifts,
        intervals=intervals,
        half_widths=learn_half_widths(method, context, intervals, backtest.horizon_weeks),
        cold_start_half_widths=cold_start_half_widths,
        level_half_widths=level_half_widths,
        fitted=method.fit(context),
    ).model_dump(mode="json")


def backtest_champion(
    champion: Served | None,
    backtest: pd.DataFrame,
    selected_method: dict[str, Any],
    forecast_index: pd.DataFrame,
    model_input: ModelInput,
) -> pd.DataFrame:
    """Let the model that serves forecast the windows of this run, its method fitted in each as then.

    Args:
        champion: The model that serves; None before the first one.
        backtest: Every forecast of this run's past.
        selected_method: The evaluation's choice, whose rows say what was asked.
        forecast_index: The weeks that are wanted.
        model_input: Past turnover, and what is known of stores and weeks.

    Returns:
        Rows as in ``backtest``. What the model brought along, where it was asked the same of the same data;
        no rows if it cannot answer what is asked.
    """
    asked: pd.DataFrame = backtest[backtest["method"] == selected_method["method"]]
    if champion is None:
        return asked.head(0)
    package: TurnoverPackage = champion.package
    model = package.model
    methods, horizon_weeks = Methods({model.name: model.method}), int(asked["horizon"].max())
    today = model.context(model_input)
    wanted = {"the backtest": horizon_weeks}
    if len(forecast_index):
        wanted["the file of weeks to forecast"] = int(weeks_ahead(forecast_index, today.cutoff).max())
    try:
        methods.refuse_problems(Needs(wanted, ["department", *model_input.stores.columns]))
        known: pd.DataFrame = package.backtest
        if same_rows(known, asked):
            return known
        folds = [
            rows
            for cutoff in sorted(asked["cutoff"].unique())
            for rows, _ in backtest_fold(
                today.as_of(cutoff),
                methods,
                actuals_after(model_input.panel, cutoff, horizon_weeks),
                model.intervals,
            )
        ]
    except InputError as error:
        logger.warning("Version %s cannot answer what is asked now: %s", champion.version, error)
        return asked.head(0)
    return pd.concat(folds, ignore_index=True)


def decide_deployment(
    model: dict[str, Any],
    champion: Served | None,
    backtest: pd.DataFrame,
    champion_backtest: pd.DataFrame,
    stores: pd.DataFrame,
    data_version: dict[str, Any],
    gate: GateParams,
) -> dict[str, Any]:
    """Decide whether this run's best method takes over.

    Args:
        model: This run's, as ``fit_selected`` returns it.
        champion: The model that serves; None before the first one.
        backtest: Every forecast of this run's past.
        champion_backtest: As ``backtest_champion`` returns it.
        stores: Region and zone.
        data_version: Of this run's raw files.
        gate: What is asked of a challenger.

    Returns:
        ``decision`` (``first``, ``better``, ``refit``, ``unable`` or ``refused``), ``promote``, ``reasons``,
        ``method``, ``champion`` (its version and method), ``data`` (versions of both), and what
        ``gate.judge`` found.
    """
    decided: dict[str, Any] = {
        "method": model["name"],
        "champion": None,
        "data": {"challenger": data_version["version"]},
    }
    if champion is None:
        return {"decision": "first", "promote": True, "reasons": ["no model serves yet"]} | decided
    served: TurnoverModel = champion.package.model
    decided["champion"] = {"version": champion.version, "method": served.name}
    decided["data"]["champion"] = champion.data_version
    if champion_backtest.empty:
        reasons = ["the one before cannot answer what is asked now"]
        return {"decision": "unable", "promote": True, "reasons": reasons} | decided
    own = backtest[backtest["method"] == model["name"]]
    found = judge(own, champion_backtest, stores, gate)
    decision = "better" if found["promote"] else "refused"
    newer = _newer(model, served, champion, data_version)
    if decision == "refused" and newer and model["method"] == served.model_dump(mode="json")["method"]:
        found |= {"promote": True, "reasons": ["the same method, fitted on newer data"]}
        decision = "refit"
    return {"decision": decision} | decided | found


def _newer(
    model: dict[str, Any], served: TurnoverModel, champion: Served, data_version: dict[str, Any]
) -> bool:
    """Whether this run's data are news, and not those of an earlier day."""
    return champion.is_news(data_version["version"]) and model["cutoff"] >= f"{served.cutoff:%Y-%m-%d}"


def submit(
    model: dict[str, Any],
    champion: Served | None,
    gate_decision: dict[str, Any],
    backtest: pd.DataFrame,
    champion_backtest: pd.DataFrame,
    model_input: ModelInput,
    forecast_index: pd.DataFrame,
    data_version: dict[str, Any],
) -> list[Submission]:
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
    """
    past = model_input.panel[["store", "department", "week", "turnover"]]
    data = replace(model_input, panel=past)

    def submission(
        fitted: TurnoverModel, rows: pd.DataFrame, decided: dict[str, Any], *, promote: bool, why: str
    ) -> Submission:
        return Submission(
            TurnoverPackage(fitted, data, forecast_index, rows.reset_index(drop=True)),
            write_card(fitted, rows, past, data_version),
            promote,
            why,
            data_version["version"],
            champion.version if champion else None,
            decided,
            score_windows(rows),
        )

    new = TurnoverModel(**model)
    own = backtest[backtest["method"] == new.name]
    why = f"{gate_decision['decision']}: {'; '.join(gate_decision['reasons'])}"
    submissions = [submission(new, own, gate_decision, promote=gate_decision["promote"], why=why)]
    if champion is None or gate_decision["promote"]:
        return submissions
    served: TurnoverModel = champion.package.model
    if _newer(model, served, champion, data_version):
        again = served.refit(served.context(model_input))
        sums = {"level_half_widths": learn_level_half_widths(champion_backtest, past, model_input.stores)}
        why = f"refit: version {champion.version} on newer data, as {new.name} was refused"
        refitted = again.model_copy(update=sums)
        submissions.append(submission(refitted, champion_backtest, {}, promote=True, why=why))
    return submissions
