"""Distributed fit: models are fitted in this process, or on the machines of a Spark cluster.

Features of a series come from its own department only. Therefore a method with a model for each department
can be fitted where the rows of that department are; one that learns from all departments together needs all
rows in one place. The states come back as JSON, and forecasts from them equal those of a local fit.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd
from pydantic import BaseModel

from sales_forecast.errors import ShortHistoryError
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Fitted, Method
from sales_forecast.forecasting.methods.declare import AnyMethod
from sales_forecast.forecasting.methods.direct import DirectMethod
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, FloatArray
from sales_forecast.forecasting.panel.model_input import ModelInput

logger = logging.getLogger(__name__)

States = dict[str, Fitted | None]
"""Cutoff as an ISO date -> what a method learned up to it; None where the history was too short."""


class FittingParams(BaseModel, frozen=True, extra="forbid"):
    """Where models are fitted."""

    engine: Literal["local", "spark"]


LOCAL = FittingParams(engine="local")


class Prefitted(Method[Fitted], frozen=True):
    """A method that was fitted in advance; ``fit`` looks up what it learned."""

    method: AnyMethod
    states: States

    def plain(self) -> Method:
        """The method that was fitted."""
        return self.method

    def fit(self, context: ForecastContext) -> Fitted:
        """Return what was learned up to the context's cutoff.

        Raises:
            ShortHistoryError: The history up to the cutoff was too short.
        """
        state = self.states[_label(context.cutoff)]
        if state is None:
            raise ShortHistoryError(
                f"the history up to {context.cutoff:%Y-%m-%d} was too short to fit this method on"
            )
        return state

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> FloatArray:
        """Delegate to the fitted method."""
        return self.method.forecast(context, forecast_index, fitted)

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
    ) -> FloatArray:
        """Delegate to the fitted method."""
        return self.method.contributions(context, forecast_index, fitted)


def prefit(
    methods: Mapping[str, Method],
    context: ForecastContext,
    cutoffs: Iterable[pd.Timestamp],
    fitting: FittingParams,
) -> dict[str, Method]:
    """Fit all methods that learn from rows, at all cutoffs at once.

    Args:
        methods: Methods by name.
        context: The past up to the latest cutoff.
        cutoffs: Cutoffs that forecasts will be made at; those without a past are left out.
        fitting: Engine; with ``local`` nothing is fitted in advance.

    Returns:
        The methods; those that were fitted are replaced by ``Prefitted`` ones.
    """
    if fitting.engine == "local":
        return dict(methods)
    first = context.first_week
    cutoffs = {
        earlier
        for cutoff in cutoffs
        if cutoff >= first
        for method in methods.values()
        for earlier in (cutoff, *method.looks_back(pd.date_range(first, cutoff, freq="7D")))
    }
    learners_at = {
        cutoff: list(dict.fromkeys(_learners(methods.values(), (cutoff - first).days // 7 + 1)))
        for cutoff in sorted(cutoffs)
    }
    states = _fit_on_spark(context, learners_at)

    def prefitted(method: Method) -> Method:
        if isinstance(method, DirectMethod) and method in states:
            return Prefitted(method=method, states=states[method])
        return method.with_nested(prefitted)

    return {name: prefitted(method) for name, method in methods.items()}


def _learners(methods: Iterable[Method], weeks: int) -> Iterator[DirectMethod]:
    for method in methods:
        yield from (one for one in method.learners(weeks) if isinstance(one, DirectMethod))


@dataclass(frozen=True)
class _Job:
    """Everything but rows that a worker needs, as one plain object, because fugue hashes what it sends."""

    context: ForecastContext
    covariate_columns: list[str]
    learners_at: dict[str, list[DirectMethod]]


def _fit_on_spark(
    context: ForecastContext, learners_at: dict[pd.Timestamp, list[DirectMethod]]
) -> dict[DirectMethod, States]:
    """Fit by department and cutoff where a method allows it, else by cutoff."""
    import fugue.api as fa
    from fugue.column import col

    rows = _rows(context.data)
    cutoffs = pd.DataFrame({"cutoff": list(learners_at)})
    no_rows = replace(context.data, panel=rows.head(0), future_covariates=rows.head(0))
    empty = replace(context, data=no_rows, forecaster=None)  # which workers neither have nor need
    states: dict[DirectMethod, States] = {}
    for split in (["department", "cutoff"], ["cutoff"]):
        learners = {
            _label(cutoff): [one for one in learners if _split(one) == split]
            for cutoff, learners in learners_at.items()
        }
        if not any(learners.values()):
            continue
        logger.info("Fitting on Spark, by %s, at %s cutoffs", " and ".join(split), len(learners_at))
        with fa.engine_context("spark"):
            spread = fa.cross_join(fa.as_fugue_df(rows), fa.as_fugue_df(cutoffs))
            fitted = fa.transform(
                fa.filter(spread, col("week") <= col("cutoff")),
                _fit_part,
                schema="learner:int,cutoff:str,state:str",
                partition={"by": split, "algo": "even"},
                params={"job": _Job(empty, context.data.covariate_columns, learners)},
            )
            fits = fa.as_pandas(fitted)
        for cutoff, of_cutoff in learners.items():
            for number, method in enumerate(of_cutoff):
                texts = fits[(fits["cutoff"] == cutoff) & (fits["learner"] == number)]["state"]
                parts = {part: state for text in texts for part, state in json.loads(text).items()}
                states.setdefault(method, {})[cutoff] = dict(sorted(parts.items())) if len(texts) else None
    return states


def _split(method: DirectMethod) -> list[str]:
    """Columns that rows may be split by without changing what the method learns from them."""
    return ["department", "cutoff"] if "department" in method.partition else ["cutoff"]


def _rows(data: ModelInput) -> pd.DataFrame:
    """The panel with the future covariates of its weeks.

    No model learns from weeks without a row, so their covariates are not needed.
    """
    rows = data.panel[[*ROW_KEYS, "turnover"]]
    return rows.merge(data.future_covariates, on=ROW_KEYS, how="left") if data.covariate_columns else rows


def _fit_part(rows: pd.DataFrame, job: _Job) -> pd.DataFrame:
    """Fit on a worker, at one cutoff, all methods that may learn from these rows alone."""
    cutoff = pd.Timestamp(rows["cutoff"].iloc[0])
    past = rows.astype({"week": "datetime64[ns]"})
    data = replace(
        job.context.data,
        panel=past[[*ROW_KEYS, "turnover"]],
        future_covariates=past[[*ROW_KEYS, *job.covariate_columns]],
    )
    context = replace(job.context, data=data, cutoff=cutoff)
    fits: list[tuple[int, str, str]] = []
    for number, method in enumerate(job.learners_at[_label(cutoff)]):
        try:
            fits.append((number, _label(cutoff), json.dumps(method.fit(context))))
        except ShortHistoryError:
            continue
    return pd.DataFrame(fits, columns=["learner", "cutoff", "state"])


def _label(cutoff: pd.Timestamp) -> str:
    return f"{cutoff:%Y-%m-%d}"
