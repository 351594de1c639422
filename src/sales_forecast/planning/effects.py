"""What plans have really changed, how far predicted effects were off, and the interval of a difference.

Two forecasts of the same week with different plans have almost the same error, so the interval of their
difference does not follow from the intervals of both. It follows from the past instead. The method is fitted
again at earlier cutoffs and predicts the windows after them: with the plan that came and, for each future
covariate, with the usual plan of the series. What was sold beyond the latter is regressed on doses: the
covariate's distance from the usual one, times the forecast with the usual one. So each unit of a covariate
changes turnover by some per cent. Only if they explain the past clearly better, the effects that the method
predicted take the place of the doses, for prices for one, whose effect is no straight line. Earlier fits have
seen less and predict smaller effects than the present one, so that correcting it by theirs goes too far: in a
simulation the result was off by more than twice as much.

The interval of a difference has three parts: the standard errors of the slopes, which allow for errors that
are alike within a window or within a series; effects that are larger in some series than in others; and
likewise in some windows. The last two are estimated from products of the remaining errors of different rows
of a series or window, in which the noise of single rows has a mean of zero. The weeks ahead are one window:
what they have in common does not cancel out in their sum.

It is honest about effects like those of the past, as far as plans were made regardless of what the forecast
could not know, and effects grow with the distance from the usual plan. A plan that never changed tells
nothing: then there is no interval.

Source:
    Standard errors: Cameron, Gelbach and Miller (2011), Robust Inference With Multiway Clustering, Journal of
    Business & Economic Statistics 29(2), 238-249. Differences between groups: the method of moments of
    DerSimonian and Laird (1986), Meta-Analysis in Clinical Trials, Controlled Clinical Trials 7(3), 177-188.
    tests/planning/test_what_if.py checks the coverage where the truth is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS, FloatArray, Positions
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.planning.past_effects import past_effects, predicted_effect

COVERAGE = 0.8
"""Share of the intervals that should contain the true difference."""

ENOUGH_WINDOWS = 6
"""From fewer past windows, an interval is rough."""

CLEARLY = 2.5
"""Standard errors by which predicted effects must be better than doses, over the past windows."""

BETTER_BY = 0.1
"""... and the logarithm of how much smaller squared errors must be with them."""

USUAL_ERRORS = 0.995
"""Larger errors than this share of all count as that: single odd weeks should not decide."""

SMALLEST = 1e-4
"""Root mean square, in mean weeks, of doses from which nothing is learned."""


@dataclass(frozen=True)
class Difference:
    """A difference that plans make.

    Args:
        expected: What is to be expected after what such plans changed in the past, currency units.
        low: Lower end of the 80 % interval.
        high: Upper end.
    """

    expected: float
    low: float
    high: float


@dataclass(frozen=True)
class EffectErrors:
    """What plans have changed in the past, and how sure that is.

    Args:
        covariates: Future covariates that the past tells something about.
        of_predicted: Whether effects are shares of the predicted ones, not proportional to doses.
        slopes: Effect of each covariate for each unit of its predicted effect or its dose.
        covariance: Of the slopes.
        of_series: Variance between series of each effect, as a share of it.
        of_windows: The same between windows.
        shares: Effects in the past as a share of the predicted ones; NaN where none was predicted.
        windows: Number of past windows that it was learned from.
    """

    covariates: tuple[str, ...]
    of_predicted: bool
    slopes: FloatArray
    covariance: FloatArray
    of_series: FloatArray
    of_windows: FloatArray
    shares: FloatArray
    windows: int

    @property
    def is_rough(self) -> bool:
        """Whether there are too few windows for more than a rough interval."""
        return self.windows < ENOUGH_WINDOWS

    def differences(
        self, rows: pd.DataFrame, changes: pd.DataFrame, groups: Iterable[Positions]
    ) -> Iterator[Difference | None]:
        """Sum differences over groups of rows, each with its interval.

        Args:
            rows: ``store, department`` of each difference.
            changes: Dose of each changed covariate, named by it, and its ``predicted_effect``.
            groups: Positions of the rows of each group.

        Yields:
            The sum of each group; None if a covariate is changed that the past tells nothing about.
        """
        known = _explaining(changes, self.covariates, of_predicted=self.of_predicted)
        told = [*self.covariates, *map(predicted_effect, self.covariates)]
        unknown = changes.drop(columns=told, errors="ignore").abs().sum(axis=1).to_numpy()
        series = rows.groupby(SERIES_KEYS, observed=True).ngroup().to_numpy()
        times = float(stats.t.ppf((1 + COVERAGE) / 2, max(1, self.windows - 1)))
        for group in groups:
            if unknown[group].any():
                yield None
                continue
            total = known[group].sum(axis=0)
            sums = self.slopes * _sums(known[group], np.unique(series[group], return_inverse=True)[1])
            variance = total @ self.covariance @ total + (self.slopes * total) ** 2 @ self.of_windows
            reach = times * float(variance + (sums**2).sum(axis=0) @ self.of_series) ** 0.5
            expected = float(self.slopes @ total)
            yield Difference(expected, expected - reach, expected + reach)


def learn_effect_errors(model: TurnoverModel, data: ModelInput) -> EffectErrors:
    """Find out what plans changed in up to a year, and how far predicted effects were off.

    Args:
        model: Model, whose method is fitted again at earlier cutoffs.
        data: Its tables.
    """
    windows = list(past_effects(model, model.context(data)))
    past = pd.concat(windows, ignore_index=True) if windows else pd.DataFrame()
    names = tuple(
        name for name in data.covariate_columns if windows and (past[name] ** 2).mean() > SMALLEST**2
    )
    if not names:
        none = np.zeros(0)
        return EffectErrors((), False, none, np.zeros((0, 0)), none, none, none, len(windows))
    largest = past["error"].abs().quantile(USUAL_ERRORS)
    past = past.assign(error=past["error"].clip(-largest, largest))
    by_dose, left = _estimate(past, names, of_predicted=False)
    predicted, left_of_predicted = _estimate(past, names, of_predicted=True)
    gain = np.log(left / left_of_predicted)
    error = gain.std(ddof=1) / len(gain) ** 0.5 if len(gain) > 1 else np.inf
    return predicted if gain.mean() > max(BETTER_BY, CLEARLY * error) else by_dose


def _explaining(table: pd.DataFrame, covariates: Iterable[str], *, of_predicted: bool) -> FloatArray:
    """What the effect of each covariate is proportional to, one column each; 0 of one that is not changed."""
    columns = [predicted_effect(name) if of_predicted else name for name in covariates]
    return np.asarray(table.reindex(columns=columns, fill_value=0.0), dtype=np.float64)


def _estimate(
    past: pd.DataFrame, covariates: tuple[str, ...], *, of_predicted: bool
) -> tuple[EffectErrors, FloatArray]:
    """Regress what was sold beyond the forecast with usual plans on doses or predicted effects.

    Means of series and windows are taken out: forecasts of a series with many promotions are too high where
    it has none.

    Returns:
        What was found, and the sum of squares of each window that it does not explain.
    """
    window: Positions = np.asarray(past.groupby("cutoff").ngroup(), dtype=np.intp)
    series: Positions = np.asarray(past.groupby(SERIES_KEYS, observed=True).ngroup(), dtype=np.intp)
    predicted = _explaining(past, covariates, of_predicted=True)
    explaining = _explaining(past, covariates, of_predicted=of_predicted)
    sold = past[["error"]].to_numpy(dtype=float) + predicted.sum(axis=1, keepdims=True)
    centred = _centred(np.hstack([explaining, sold]), series, window)
    columns, target = centred[:, :-1], centred[:, -1]
    inverse = np.linalg.pinv(columns.T @ columns)
    slopes: FloatArray = inverse @ columns.T @ target
    left: FloatArray = target - columns @ slopes
    scores: FloatArray = columns * left[:, None]
    spread = _squares(scores, window) + _squares(scores, series) - scores.T @ scores
    values, vectors = np.linalg.eigh(inverse @ spread @ inverse)
    windows = int(window.max()) + 1
    few = windows / max(1, windows - len(covariates))
    squares = (predicted**2).sum(axis=0)
    found = EffectErrors(
        covariates=covariates,
        of_predicted=of_predicted,
        slopes=slopes,
        covariance=few * (vectors * np.maximum(values, 0)) @ vectors.T,
        of_series=_between(columns * slopes, left, series),
        of_windows=_between(columns * slopes, left, window),
        shares=(explaining * slopes * predicted).sum(axis=0) / np.where(squares > 0, squares, np.nan),
        windows=windows,
    )
    return found, np.asarray(np.bincount(window, left**2), dtype=np.float64)


def _centred(values: FloatArray, *groupings: Positions) -> FloatArray:
    """Values less the means of their groups, of one grouping after the other until little changes."""
    for _ in range(5):
        for group in groupings:
            means = _sums(values, group) / np.bincount(group)[:, None]
            values = np.asarray(values - means[group], dtype=np.float64)
    return values


def _sums(values: FloatArray, group: Positions) -> FloatArray:
    """Sums of the rows of each group."""
    return np.column_stack([np.bincount(group, column) for column in values.T])


def _squares(scores: FloatArray, group: Positions) -> FloatArray:
    sums = _sums(scores, group)
    return np.asarray(sums.T @ sums, dtype=np.float64)


def _between(effects: FloatArray, left: FloatArray, group: Positions) -> FloatArray:
    """Variance between groups of the share by which effects differ from what the regression says."""
    scores, squares = effects * left[:, None], effects**2
    shared = (_sums(scores, group) ** 2).sum(axis=0) - (scores**2).sum(axis=0)
    most = (_sums(squares, group) ** 2).sum(axis=0) - (squares**2).sum(axis=0)
    return np.asarray(np.maximum(shared, 0) / np.where(most > 0, most, np.inf), dtype=np.float64)
