"""Where models are fitted: in this process, or on the machines of a Spark cluster.

Features of a series come from its own department only. So a method with a model for each department can be
fitted where the rows of that department are; one that learns from all departments together needs all rows in
one place. What is learnt comes home as JSON, and forecasting goes on from it as if it had been learnt here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel

from sales_forecast.errors import ShortHistoryError
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Fitted, Method
from sales_forecast.forecasting.methods.declare import AnyMethod
from sales_forecast.forecasting.methods.direct import DirectMethod
from sales_forecast.forecasting.panel.matrix import KEYS, FloatArray
from sales_forecast.forecasting.panel.model_input import ModelInput

logger = logging.getLogger(__name__)

States = dict[str, Fitted | None]
"""Cutoff as an ISO date -> what was learnt up to it; None where there was too little to learn from."""


class FittingParams(BaseModel, frozen=True, extra="forbid"):
    """Who fits the models."""

    engine: Literal["local", "spark"]


LOCAL = FittingParams(engine="local")


class Prefitted(Method, frozen=True):
    """A method that was fitted elsewhere; ``fit`` looks up what it learnt."""

    method: AnyMethod
    states: States

    def fit(self, context: ForecastContext) -> Fitted:
        """Return what was learnt at the context's cutoff.

        Raises:
            ShortHistoryError: There was too little to learn from.
        """
        learnt = self.states[_label(context.cutoff)]
        if learnt is None:
            raise ShortHistoryError(f"nothing could be learnt up to {context.cutoff:%Y-%m-%d}: too few weeks")
        return learnt

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> FloatArray:
        """As the method itself."""
        return self.method.forecast(context, forecast_index, fitted)

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
    ) -> FloatArray:
        """As the method itself."""
        return self.method.contributions(context, forecast_index, fitted)


def prefit(
    methods: Mapping[str, Method],
    context: ForecastContext,
    cutoffs: Iterable[pd.Timestamp],
    fitting: FittingParams,
) -> dict[str, Method]:
    """Fit at all cutoffs at once everything that learns from rows.

    Args:
        methods: Name -> method.
        context: The past up to the latest cutoff.
        cutoffs: After which forecasts will be wanted; those without a past are left out.
        fitting: With the engine ``local`` nothing is done ahead.

    Returns:
        The methods, which now know what to answer to ``fit`` at the cutoffs.
    """
    if fitting.engine == "local":
        return dict(methods)
    first = context.first_week
    wanted = {
        cutoff: list(dict.fromkeys(_learners(methods.values(), (cutoff - first).days // 7 + 1)))
        for cutoff in sorted(set(cutoffs))
        if cutoff >= first
    }
    states = _fit_on_spark(context, wanted)

    def fitted(method: Method) -> Method:
        if isinstance(method, DirectMethod) and method in states:
            return Prefitted(method=method, states=states[method])
        return method.with_nested(fitted)

    return {name: fitted(method) for name, method in methods.items()}


def _learners(methods: Iterable[Method], weeks: int) -> Iterator[DirectMethod]:
    for method in methods:
        yield from (one for one in method.learners(weeks) if isinstance(one, DirectMethod))


@dataclass(frozen=True)
class _Job:
    """What each worker gets beside its rows. One plain object: fugue hashes what it sends."""

    context: ForecastContext
    covariate_columns: list[str]
    wanted: dict[str, list[DirectMethod]]


def _fit_on_spark(
    context: ForecastContext, wanted: dict[pd.Timestamp, list[DirectMethod]]
) -> dict[DirectMethod, States]:
    """Fit by department and cutoff where a method allows it, else by cutoff."""
    import fugue.api as fa
    from fugue.column import col

    rows = _rows(context.data)
    cutoffs = pd.DataFrame({"cutoff": list(wanted)})
    no_rows = replace(context.data, panel=rows.head(0), future_covariates=rows.head(0))
    empty = replace(context, data=no_rows)
    states: dict[DirectMethod, States] = {}
    for split in (["department", "cutoff"], ["cutoff"]):
        learners = {
            _label(cutoff): [one for one in learners if _split(one) == split]
            for cutoff, learners in wanted.items()
        }
        if not any(learners.values()):
            continue
        logger.info("Fitting on Spark, by %s, at %s cutoffs", " and ".join(split), len(wanted))
        with fa.engine_context("spark"):
            spread = fa.cross_join(fa.as_fugue_df(rows), fa.as_fugue_df(cutoffs))
            fitted = fa.transform(
                fa.filter(spread, col("week") <= col("cutoff")),
                _fit_part,
                schema="learner:int,cutoff:str,state:str",
                partition={"by": split, "algo": "even"},
                params={"job": _Job(empty, context.data.covariate_columns, learners)},
            )
            answers = fa.as_pandas(fitted)
        for cutoff, asked in learners.items():
            for number, method in enumerate(asked):
                mine = answers[(answers["cutoff"] == cutoff) & (answers["learner"] == number)]["state"]
                parts = {part: state for text in mine for part, state in json.loads(text).items()}
                learnt = dict(sorted(parts.items())) if len(mine) else None
                states.setdefault(method, {})[cutoff] = learnt
    return states


def _split(method: DirectMethod) -> list[str]:
    """By what rows may be parted without the method learning anything else from them."""
    return ["department", "cutoff"] if "department" in method.partition else ["cutoff"]


def _rows(data: ModelInput) -> pd.DataFrame:
    """The panel with the future covariates of its weeks beside it.

    Weeks without a row cannot be learnt from, so the covariates of other weeks are not missed.
    """
    rows = data.panel[[*KEYS, "week", "turnover"]]
    return (
        rows.merge(data.future_covariates, on=[*KEYS, "week"], how="left") if data.covariate_columns else rows
    )


def _fit_part(rows: pd.DataFrame, job: Any) -> pd.DataFrame:
    """Fit on a worker, at one cutoff, all methods that may learn from these rows alone."""
    cutoff = pd.Timestamp(rows["cutoff"].iloc[0])
    past = rows.astype({"week": "datetime64[ns]"})
    data = replace(
        job.context.data,
        panel=past[[*KEYS, "week", "turnover"]],
        future_covariates=past[[*KEYS, "week", *job.covariate_columns]],
    )
    context = replace(job.context, data=data, cutoff=cutoff)
    answers: list[tuple[int, str, str]] = []
    for number, method in enumerate(job.wanted[_label(cutoff)]):
        try:
            answers.append((number, _label(cutoff), json.dumps(method.fit(context))))
        except ShortHistoryError:
            continue
    return pd.DataFrame(answers, columns=["learner", "cutoff", "state"])


def _label(cutoff: pd.Timestamp) -> str:
    return f"{cutoff:%Y-%m-%d}"
