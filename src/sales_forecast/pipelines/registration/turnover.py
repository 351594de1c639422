"""Turnover: the best method of this run against the model that serves."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd

from sales_forecast.forecasting.backtest import BacktestParams, backtest_fold
from sales_forecast.forecasting.errors import InputError
from sales_forecast.forecasting.level_shifts import LevelShiftParams
from sales_forecast.forecasting.levels import LevelWidths, learn_level_widths
from sales_forecast.forecasting.market import Market, targets_after, weeks_ahead
from sales_forecast.forecasting.method import Methods, Needs
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.promotion import PromotionParams, judge, same_rows
from sales_forecast.forecasting.ranges import RangeParams, Widths, learn_widths, origins
from sales_forecast.forecasting.workers import WorkersParams, fit_ahead
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.registration.turnover_card import score_windows, write_card
from sales_forecast.registry.dataset import Served, Submission

logger = logging.getLogger(__name__)


def fit_best(
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    calendar: pd.DataFrame,
    known_ahead: pd.DataFrame,
    champion: dict[str, Any],
    cold_widths: Widths,
    level_widths: LevelWidths,
    backtest: BacktestParams,
    methods: Methods,
    ranges: RangeParams,
    level_shifts: LevelShiftParams,
    workers: WorkersParams,
) -> dict[str, Any]:
    """Fit the best method of the backtest on everything there is.

    Args:
        panel: Gap-free weekly turnover.
        stores: Attributes.
        calendar: Holidays of past and future weeks.
        known_ahead: Columns of the retailer's own, of past and future weeks.
        champion: The evaluation's choice.
        cold_widths: How wide the ranges of the youngest series are.
        level_widths: How wide the ranges of sums are.
        backtest: For how many weeks ahead the ranges are learnt.
        methods: Candidates.
        ranges: How their width is learnt.
        level_shifts: How level shifts are found.
        workers: Who fits.

    Returns:
        A ``forecasting.model.TurnoverModel`` as JSON holds it.
    """
    market = Market.of_today(panel, stores, calendar, level_shifts, known_ahead)
    name = champion["method"]
    chosen = {name: methods.root[name]}
    method = fit_ahead(chosen, market, origins(market.cutoff, ranges), workers)[name]
    return TurnoverModel(
        name=name,
        method=methods.root[name],
        cutoff=market.cutoff.date(),
        horizon_weeks=backtest.horizon_weeks,
        level_shifts=level_shifts,
        ranges=ranges,
        widths=learn_widths(method, market, ranges, backtest.horizon_weeks),
        cold_widths=cold_widths,
        level_widths=level_widths,
        fitted=method.fit(market),
    ).model_dump(mode="json")


def backtest_defender(
    defender: Served | None,
    backtest: pd.DataFrame,
    champion: dict[str, Any],
    targets: pd.DataFrame,
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    calendar: pd.DataFrame,
    known_ahead: pd.DataFrame,
) -> pd.DataFrame:
    """Let the model that serves forecast the windows of this run, its method fitted in each as then.

    Args:
        defender: The model that serves; None before the first one.
        backtest: Every forecast of this run's past.
        champion: The evaluation's choice, whose rows say what was asked.
        targets: The weeks that are wanted.
        panel: Gap-free weekly turnover.
        stores: Attributes.
        calendar: Holidays of past and future weeks.
        known_ahead: Columns of the retailer's own, of past and future weeks.

    Returns:
        Rows as in ``backtest``. What the model brought along, where it was asked the same of the same data;
        no rows if it cannot answer what is asked.
    """
    asked: pd.DataFrame = backtest[backtest["method"] == champion["method"]]
    if defender is None:
        return asked.head(0)
    package: TurnoverPackage = defender.package
    model = package.model
    methods, horizon_weeks = Methods({model.name: model.method}), int(asked["horizon"].max())
    today = model.market(panel, stores, calendar, known_ahead)
    wanted = {"the backtest": horizon_weeks}
    if len(targets):
        wanted["the file of weeks to forecast"] = int(weeks_ahead(targets, today.cutoff).max())
    try:
        methods.refuse_problems(Needs(wanted, ["department", *stores.columns]))
        known: pd.DataFrame = package.backtest
        if same_rows(known, asked):
            return known
        folds = [
            rows
            for cutoff in sorted(asked["cutoff"].unique())
            for rows, _ in backtest_fold(
                today.at(cutoff), methods, targets_after(panel, cutoff, horizon_weeks), model.ranges
            )
        ]
    except InputError as error:
        logger.warning("Version %s cannot answer what is asked now: %s", defender.version, error)
        return asked.head(0)
    return pd.concat(folds, ignore_index=True)


def decide_promotion(
    model: dict[str, Any],
    defender: Served | None,
    backtest: pd.DataFrame,
    defender_backtest: pd.DataFrame,
    stores: pd.DataFrame,
    data_version: dict[str, Any],
    promotion: PromotionParams,
) -> dict[str, Any]:
    """Decide whether this run's best method takes over.

    Args:
        model: This run's, as ``fit_best`` returns it.
        defender: The model that serves; None before the first one.
        backtest: Every forecast of this run's past.
        defender_backtest: As ``backtest_defender`` returns it.
        stores: Region and zone.
        data_version: Of this run's raw files.
        promotion: What is asked of a challenger.

    Returns:
        ``decision`` (``first``, ``better``, ``refit``, ``unable`` or ``refused``), ``promote``, ``reasons``,
        ``method``, ``defender`` (its version and method), ``data`` (versions of both), and what
        ``promotion.judge`` found.
    """
    decided: dict[str, Any] = {
        "method": model["name"],
        "defender": None,
        "data": {"challenger": data_version["version"]},
    }
    if defender is None:
        return {"decision": "first", "promote": True, "reasons": ["no model serves yet"]} | decided
    served: TurnoverModel = defender.package.model
    decided["defender"] = {"version": defender.version, "method": served.name}
    decided["data"]["champion"] = defender.data_version
    if defender_backtest.empty:
        reasons = ["the one before cannot answer what is asked now"]
        return {"decision": "unable", "promote": True, "reasons": reasons} | decided
    own = backtest[backtest["method"] == model["name"]]
    found = judge(own, defender_backtest, stores, promotion)
    decision = "better" if found["promote"] else "refused"
    newer = _newer(model, served, defender, data_version)
    if decision == "refused" and newer and model["method"] == served.model_dump(mode="json")["method"]:
        found |= {"promote": True, "reasons": ["the same method, fitted on newer data"]}
        decision = "refit"
    return {"decision": decision} | decided | found


def _newer(
    model: dict[str, Any], served: TurnoverModel, defender: Served, data_version: dict[str, Any]
) -> bool:
    """Whether this run's data are news, and not those of an earlier day."""
    return defender.is_news(data_version["version"]) and model["cutoff"] >= f"{served.cutoff:%Y-%m-%d}"


def submit(
    model: dict[str, Any],
    defender: Served | None,
    promotion: dict[str, Any],
    backtest: pd.DataFrame,
    defender_backtest: pd.DataFrame,
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    calendar: pd.DataFrame,
    known_ahead: pd.DataFrame,
    targets: pd.DataFrame,
    data_version: dict[str, Any],
) -> list[Submission]:
    """Hand this run's model to the registry; if it is refused on newer data, the one that serves, refitted.

    Args:
        model: This run's, as ``fit_best`` returns it.
        defender: The model that serves; None before the first one.
        promotion: As ``decide_promotion`` returns it.
        backtest: Every forecast of this run's past.
        defender_backtest: The same of the model that serves.
        panel: Gap-free weekly turnover.
        stores: Attributes.
        calendar: Holidays of past and future weeks.
        known_ahead: Columns of the retailer's own, of past and future weeks.
        targets: The weeks that are wanted.
        data_version: Of this run's raw files.
    """
    past = panel[["store", "department", "week", "turnover"]]
    tables = {
        "panel": past,
        "stores": stores,
        "calendar": calendar,
        "known_ahead": known_ahead,
        "targets": targets,
    }

    def submission(
        fitted: TurnoverModel, rows: pd.DataFrame, decided: dict[str, Any], *, promote: bool, why: str
    ) -> Submission:
        return Submission(
            TurnoverPackage(fitted, backtest=rows.reset_index(drop=True), **tables),
            write_card(fitted, rows, past, data_version),
            promote,
            why,
            data_version["version"],
            defender.version if defender else None,
            decided,
            score_windows(rows),
        )

    new = TurnoverModel(**model)
    own = backtest[backtest["method"] == new.name]
    why = f"{promotion['decision']}: {'; '.join(promotion['reasons'])}"
    submissions = [submission(new, own, promotion, promote=promotion["promote"], why=why)]
    if defender is None or promotion["promote"]:
        return submissions
    served: TurnoverModel = defender.package.model
    if _newer(model, served, defender, data_version):
        again = served.refit(served.market(panel, stores, calendar, known_ahead))
        sums = {"level_widths": learn_level_widths(defender_backtest, panel, stores)}
        why = f"refit: version {defender.version} on newer data, as {new.name} was refused"
        refitted = again.model_copy(update=sums)
        submissions.append(submission(refitted, defender_backtest, {}, promote=True, why=why))
    return submissions
