"""Compares the arms of an experiment on the weeks whose turnover has arrived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite

import pandas as pd
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import Engine

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.gate_result import GAIN
from sales_forecast.forecasting.evaluation.group_sequential import (
    InterimAnalysis,
    analyse,
    verdict,
    weeks_until_seen,
)
from sales_forecast.forecasting.evaluation.significance import compare
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.registry.store import CHALLENGER, CHAMPION
from sales_forecast.retailers import DEFAULT_RETAILER, command_option, retailer_of
from sales_forecast.service.settings import ABSettings
from sales_forecast.storage import audit
from sales_forecast.storage.turnover import turnover_since

SERIES_WEEK = ["store", "department", "week"]


@dataclass(frozen=True)
class Experiment:
    """State of an experiment.

    Args:
        title: Metric and compared versions, for the table.
        looks: One interim analysis per week whose turnover has arrived.
        conclusion: Whether the experiment may stop, and what to do.
    """

    title: str
    looks: list[InterimAnalysis]
    conclusion: str


class _RecordedRequest(BaseModel):
    """Part of a recorded request that decides whether it counts."""

    series: list[dict[str, object]]


class _RecordedPrediction(BaseModel):
    """Part of a recorded prediction that is compared."""

    store: str
    department: str
    week: date
    horizon: int
    arm: str
    model_version: str
    forecast: float


_RecordedOutput = TypeAdapter(list[list[_RecordedPrediction]])

_Row = tuple[str, str, date, int, str, str, float]


def plan_experiment(champion: TurnoverPackage, challenger: TurnoverPackage, ab: ABSettings) -> str:
    """Say how long an experiment takes to see a difference, from the backtests of both models.

    Args:
        champion: The package that serves.
        challenger: The package that asks to.
        ab: Planned weeks and error probability.

    Raises:
        InputError: The models were not backtested on the same rows.
    """
    shared = set(champion.backtest["cutoff"]) & set(challenger.backtest["cutoff"])
    both = pd.concat(
        [
            package.backtest[package.backtest["cutoff"].isin(shared)].assign(method=name)
            for name, package in ((CHAMPION, champion), (CHALLENGER, challenger))
        ]
    )
    if both.empty:
        raise InputError(
            "champion and challenger were backtested on no common window, so it is unknown how long an "
            "experiment takes. Run the pipelines once on the newest files: kedro run."
        )
    past = compare(both, CHALLENGER, CHAMPION)
    if not isfinite(past.standard_error):
        return (
            "Champion and challenger were backtested on one common window, which tells nothing about chance. "
            "Bring more history, or raise turnover.backtest.folds."
        )
    if past.standard_error == 0:
        return "Both models made the same forecasts in their backtests, so there is nothing to see."
    weeks = weeks_until_seen(past, ab, GAIN)
    points = f"A difference of {GAIN:.0%} of the champion's WAPE ({100 * GAIN * past.other:.2f} points)"
    if weeks is None:
        return f"{points} cannot be seen within ten years."
    enough = "enough" if weeks <= ab.planned_weeks else "too few: raise it, or expect no result"
    return (
        f"{points} takes {weeks} weeks to be seen in eight of ten experiments; ab.planned_weeks is "
        f"{ab.planned_weeks}, which is {enough}."
    )


def compare_arms(
    engine: Engine, ab: ABSettings, since: datetime | None, retailer: str = DEFAULT_RETAILER
) -> Experiment:
    """Compare champion and challenger over all their versions: each delivery refits both.

    Each series and week counts once, as it was first predicted by both arms. Both arms predict the same
    requests, whichever of them answers, so the comparison is paired.

    Args:
        engine: SQLAlchemy engine of an up-to-date database.
        ab: Planned weeks, error probability.
        since: Time at which the experiment began; None for the first record with two arms.
        retailer: Retailer whose models were compared, and whose turnover decides.

    Raises:
        InputError: There was no experiment, or no turnover of its weeks has arrived.
    """
    with engine.connect() as connection:
        records = audit.read(connection, since, two_arms=True)
        predictions = pd.DataFrame(
            [
                row
                for record in records
                if retailer_of(record.model_name) == retailer
                for row in _both_arms(record)
            ],
            columns=[*SERIES_WEEK, "horizon", "method", "version", "forecast"],
        )
        if predictions.empty:
            raise InputError(
                "no request was answered by two arms as many weeks ahead; set ab.challenger_share in "
                "service.yml, and serve"
            )
        rows = turnover_since(connection, predictions["week"].min(), retailer)
        turnover = pd.DataFrame(rows, columns=[*SERIES_WEEK, "turnover"])
    first = predictions.drop_duplicates([*SERIES_WEEK, "method"])
    known = first.merge(turnover, on=SERIES_WEEK).assign(week=lambda rows: pd.to_datetime(rows["week"]))
    known["cutoff"] = known["week"] - pd.to_timedelta(7 * known["horizon"], unit="D")
    looks = analyse(known[["cutoff", *SERIES_WEEK, "method", "forecast", "turnover"]], ab)
    versions = {name: list(rows["version"].unique()) for name, rows in first.groupby("method")}
    named = {name: ", ".join(numbers) for name, numbers in versions.items()}
    title = f"WAPE: champion (version {named[CHAMPION]}), challenger (version {named[CHALLENGER]})"
    return Experiment(
        title, looks, _conclusion(looks, ab, versions[CHALLENGER][-1] + command_option(retailer))
    )


def _both_arms(record: audit.AuditRecord) -> Iterator[_Row]:
    """Return both arms' rows of each series and week that they predicted from the same distance.

    Requests with data of their own, such as a what-if analysis, do not count.
    """
    request = _RecordedRequest.model_validate(record.input)
    if any(len(series) > len(("store", "department")) for series in request.series):
        return
    own, others = (_by_key(output) for output in (record.output, record.other_output))
    for key in (key for key in own if key in others):
        for row in (own[key], others[key]):
            yield (
                *(row.store, row.department, row.week, row.horizon),
                *(row.arm, row.model_version, row.forecast),
            )


def _by_key(output: object) -> dict[tuple[str, str, date, int], _RecordedPrediction]:
    recorded = _RecordedOutput.validate_python(output)
    return {(row.store, row.department, row.week, row.horizon): row for series in recorded for row in series}


def _conclusion(looks: list[InterimAnalysis], ab: ABSettings, challenger: str) -> str:
    found = verdict(looks, ab)
    advice = {
        "challenger is better": f"Let it serve: sales-forecast models promote turnover {challenger}",
        "champion is better": "End the experiment: ab.challenger_share: 0 in service.yml.",
        "no difference found": "The planned weeks are over. Keep the champion.",
        "go on": f"{len(looks)} of {ab.planned_weeks} weeks have arrived.",
    }
    return f"{found[0].upper()}{found[1:]}. {advice[found]}"
