"""When to fit again: two years of weekly deliveries, replayed under each policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from rich.progress import track

from benchmarks.measure import HORIZON_WEEKS, MEMBER, _tables, parameters
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS
from sales_forecast.forecasting.methods.base import Fitted, Method, forecast_all
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.monitoring.retraining import RetrainingParams, decide_retraining
from sales_forecast.forecasting.monitoring.scores import score_backtest, with_log_ratios
from sales_forecast.forecasting.monitoring.signals import AlarmParams, Detector, State, find_signals
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams, find_level_shifts
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput, no_future_covariates

WEEK = pd.Timedelta(weeks=1)

WARM_UP_WEEKS = 13
"""Weeks before the replay whose forecasts say what is usual."""


@dataclass
class History:
    """A retailer's history, what was forecast in it at any week, by a fit of any earlier week."""

    data: ModelInput
    method: Method
    level_shifts: LevelShiftParams
    folder: Path

    @cached_property
    def today(self) -> ForecastContext:
        """What is known at the end."""
        return ForecastContext.latest(self.data, self.level_shifts)

    @cached_property
    def fits(self) -> dict[pd.Timestamp, Fitted]:
        """Fits by their week."""
        return {}

    def forecast(self, fitted_after: pd.Timestamp, cutoff: pd.Timestamp) -> pd.DataFrame:
        """Forecast the weeks after a cutoff with a fit of an earlier one; kept in the folder."""
        file = self.folder / f"{fitted_after:%Y-%m-%d}.{cutoff:%Y-%m-%d}.parquet"
        if not file.exists():
            actuals = actuals_after(self.data.panel, cutoff, HORIZON_WEEKS)
            if fitted_after not in self.fits:
                self.fits[fitted_after] = self.method.fit(self.today.as_of(fitted_after))
            context = self.today.as_of(cutoff)
            made = forecast_all(self.method, context, actuals[ROW_KEYS], self.fits[fitted_after])
            rows = made[[*ROW_KEYS, "forecast"]].assign(
                cutoff=cutoff, turnover=actuals["turnover"].to_numpy()
            )
            rows.to_parquet(file)
        return pd.read_parquet(file)


@dataclass(frozen=True)
class Replayed:
    """What a policy led to."""

    fits: tuple[pd.Timestamp, ...]
    forecasts: pd.DataFrame
    signals: pd.DataFrame


def replay(history: History, weeks: int, policy: dict[str, Any]) -> Replayed:
    """Live through weekly deliveries under a policy.

    Args:
        history: Of the retailer.
        weeks: How many weeks before the last one with all its horizon known.
        policy: ``RetrainingParams``; and ``alarms``, whether they count.
    """
    options = dict(policy)
    alarmed = options.pop("alarms", True)
    params = RetrainingParams(**options)
    last = history.data.last_week - HORIZON_WEEKS * WEEK
    cutoffs = pd.date_range(end=last, periods=weeks + WARM_UP_WEEKS, freq="7D")
    fits, made, decisions = [cutoffs[0]], [], []
    signals = pd.DataFrame()
    for cutoff in cutoffs:
        if made:
            signals = _signals(made, history.data.panel, cutoff)
            seen = signals if alarmed else signals[signals["state"] == State.CALM]
            earlier = pd.DataFrame(decisions, columns=["week", "wanted", "trigger", "evidence", "done_at"])
            decision = decide_retraining(seen, cutoff, fits[-1], earlier, params)
            if decision.wanted and cutoff >= cutoffs[WARM_UP_WEEKS]:
                decisions.append((cutoff, True, decision.trigger, decision.evidence, cutoff))
                fits.append(cutoff)
        made.append(history.forecast(fits[-1], cutoff))
    counted = pd.concat(rows for rows in made if rows["cutoff"].iloc[0] >= cutoffs[WARM_UP_WEEKS])
    return Replayed(tuple(fits[1:]), counted, signals)


def _signals(made: list[pd.DataFrame], panel: pd.DataFrame, until: pd.Timestamp) -> pd.DataFrame:
    """Signals in the weeks that have come, of departments alone."""
    rows = pd.concat(made)
    rows = with_log_ratios(rows[rows["week"] <= until], panel[panel["week"] <= until])
    rows = rows.assign(**dict.fromkeys(INTERVAL_COLUMNS, 0.0))  # no alarm about them is looked at
    none = pd.DataFrame(columns=["week", *SERIES_KEYS, "log_ratio"])
    return find_signals(score_backtest(rows), none, AlarmParams())


def measure_policies(work: Path, wanted: dict[str, Any]) -> pd.DataFrame:
    """Replay each policy of the plan.

    Args:
        work: Folder of the measurements, with the project.
        wanted: The plan.

    Returns:
        A row for each policy: ``fits`` in the weeks, ``WAPE`` over all horizons, and ``weeks to recover``, on
        average, from a level shift to the first week in which its department is no alarm any more.
    """
    panel, stores, calendar = _tables(work / "project")
    options = parameters()
    level_shifts = LevelShiftParams(**options["level_shifts"])
    folder = work / "policies"
    folder.mkdir(exist_ok=True)
    declared = (wanted["methods"] | wanted["variants"])[MEMBER]
    data = ModelInput(panel, stores, calendar, no_future_covariates())
    history = History(data, Methods({MEMBER: declared}).root[MEMBER], level_shifts, folder)
    shifts = find_level_shifts(panel, level_shifts)
    rows = {}
    for name, policy in track(wanted["policies"]["replayed"].items(), description="Policies"):
        found = replay(history, wanted["policies"]["weeks"], policy)
        forecasts = found.forecasts
        error = (forecasts["forecast"] - forecasts["turnover"]).abs().sum()
        rows[name] = {
            "fits": len(found.fits),
            "WAPE": error / forecasts["turnover"].sum(),
            "weeks to recover": pd.Series(list(recoveries(found.signals, shifts)), dtype=float).mean(),
        }
    return pd.DataFrame(rows).T.rename_axis("fitted again")


def recoveries(signals: pd.DataFrame, shifts: pd.DataFrame) -> Iterator[int]:
    """Weeks from each level shift to the first week in which its department is no alarm any more."""
    levels = signals[signals["detector"] == Detector.LEVEL]
    for _, shift in shifts.iterrows():
        own = levels[(levels["key"] == str(shift["department"])) & (levels["week"] >= shift["week"])]
        alarm = own[own["state"] == State.ALARM]
        if alarm.empty or shift["week"] < levels["week"].min():
            continue
        calm = own[(own["state"] != State.ALARM) & (own["week"] > alarm["week"].iloc[0])]
        if len(calm):
            yield int((calm["week"].iloc[0] - shift["week"]) / WEEK)
