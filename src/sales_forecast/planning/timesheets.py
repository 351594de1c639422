"""Staffing rules from timesheets: how many hours a department takes as its turnover rises.

Hours are regressed on turnover with Huber's loss, so that a few wrong hours do not decide. Where the minimum
cover holds, hours do not rise; only weeks whose turnover needs more than that are used, and as the regression
says which ones these are, it is repeated.

Source:
    Huber (1964), Robust Estimation of a Location Parameter, Annals of Mathematical Statistics 35(1), 73-101;
    Breiman (1993), Hinging Hyperplanes, IEEE Transactions on Information Theory 39(3), 999-1013; Cameron,
    Gelbach and Miller (2011), Robust Inference With Multiway Clustering, Journal of Business & Economic
    Statistics 29(2), 238-249.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import HuberRegressor

from sales_forecast.forecasting.panel.matrix import ROW_KEYS, FloatArray
from sales_forecast.planning.staffing import RULE_COLUMNS, StaffingParams

logger = logging.getLogger(__name__)

FEWEST_WEEKS = 26
"""With fewer weeks that need more than the minimum cover, nothing is estimated."""

MOST_REPETITIONS = 20
"""Regressions after which the weeks that are used no longer change, or never will."""

EPSILON = 1.35
"""Huber's: errors beyond so many scales count less. On normal errors 95 % as efficient as least squares."""

EXACT = 1e-6
"""Share of the mean hours below which errors are those of rounding."""

CONFIGURED = "configured"

NO_RISE = "in the timesheets, hours do not rise with turnover beyond chance"


@dataclass(frozen=True)
class Estimate:
    """Fixed hours and productivity of a department.

    Args:
        fixed_hours: Hours in a week without turnover, at least 0.
        productivity: Turnover that takes one more hour, currency units.
        low: Lower end of the 95 % interval of the productivity.
        high: Upper end.
        r_squared: Share of the variance of the hours that turnover explains, over all weeks that are used.
        weeks: Number of different weeks that are used.
        stores: Number of stores.
    """

    fixed_hours: float
    productivity: float
    low: float
    high: float
    r_squared: float
    weeks: int
    stores: int

    def __str__(self) -> str:
        return (
            f"timesheets: {self.weeks} weeks of {self.stores} store(s), productivity {self.low:,.1f} to "
            f"{self.high:,.1f} (95 %), R2 {self.r_squared:.2f}"
        )


def estimate_rules(timesheets: pd.DataFrame, panel: pd.DataFrame, params: StaffingParams) -> pd.DataFrame:
    """Make the table of staffing rules: estimated where timesheets say enough, as configured elsewhere.

    Args:
        timesheets: ``store, department, week, hours``; may be empty.
        panel: ``store, department, week, turnover`` of all departments.
        params: Configured rules; of an estimated one, the fixed hours and the productivity are replaced.

    Returns:
        ``RULE_COLUMNS``, one row per department of the panel.
    """
    rows = timesheets.merge(panel[[*ROW_KEYS, "turnover"]], on=ROW_KEYS).dropna()
    made = []
    for department in sorted(panel["department"].unique()):
        rule, own = params.rule_of(department), rows[rows["department"] == department]
        source = CONFIGURED
        if len(timesheets):
            estimated, reason = estimate(own, rule.minimum_cover_hours)
            source = str(estimated) if estimated else f"{CONFIGURED}: {reason}"
            if estimated:
                found = {"fixed_hours": estimated.fixed_hours, "productivity": estimated.productivity}
                rule = rule.model_copy(update=found)
            logger.info("Staffing rule of department %s: %s", department, source)
        made.append({"department": department, **rule.model_dump(), "source": source})
    return pd.DataFrame(made, columns=RULE_COLUMNS)


def estimate(rows: pd.DataFrame, minimum_cover_hours: float) -> tuple[Estimate | None, str]:
    """Estimate a department's fixed hours and productivity.

    Args:
        rows: ``store, week, hours, turnover``; weeks without hours or turnover were closed and do not count.
        minimum_cover_hours: Hours below which the rule does not go.

    Returns:
        The estimate, or None and the reason why there is none.
    """
    rows = rows[(rows["hours"] > 0) & (rows["turnover"] > 0)]
    turnover, hours = (rows[name].to_numpy(dtype=float) for name in ("turnover", "hours"))
    used = np.ones(len(rows), dtype=bool)
    fit = None
    for _ in range(MOST_REPETITIONS):
        weeks = int(rows.loc[used, "week"].nunique())
        if weeks < FEWEST_WEEKS:
            return None, (
                f"{weeks} weeks of timesheets in which more than the minimum cover was needed are too few "
                f"({FEWEST_WEEKS} are enough)"
            )
        if np.ptp(turnover[used]) == 0:
            return None, NO_RISE
        fit = _fit(turnover[used], hours[used])
        needs_more = fit.fixed_hours + turnover * fit.slope > minimum_cover_hours
        if (needs_more == used).all():
            break
        used = needs_more
    assert fit is not None
    error, freedom = fit.standard_error(rows[used], turnover[used], hours[used])
    reach = float(stats.t.ppf(0.975, freedom)) * error
    if not fit.slope - reach > 0:
        return None, NO_RISE
    estimated = fit.of(turnover[used])
    unexplained = np.square(hours[used] - estimated).sum() / np.square(hours[used] - hours[used].mean()).sum()
    return (
        Estimate(
            fixed_hours=fit.fixed_hours,
            productivity=1 / fit.slope,
            low=1 / (fit.slope + reach),
            high=1 / (fit.slope - reach),
            r_squared=float(1 - unexplained),
            weeks=weeks,
            stores=int(rows.loc[used, "store"].nunique()),
        ),
        "",
    )


@dataclass(frozen=True)
class _Fit:
    """A line through hours against turnover; ``scale`` is that of its errors, ``through_zero`` if bounded."""

    fixed_hours: float
    slope: float
    scale: float
    through_zero: bool

    def of(self, turnover: FloatArray) -> FloatArray:
        line: FloatArray = self.fixed_hours + self.slope * turnover
        return line

    def standard_error(
        self, rows: pd.DataFrame, turnover: FloatArray, hours: FloatArray
    ) -> tuple[float, int]:
        """Standard error of the slope, and its degrees of freedom; stores and weeks have errors in common."""
        error = hours - self.of(turnover)
        limit = EPSILON * self.scale
        columns = [turnover] if self.through_zero else [turnover, np.ones_like(turnover)]
        design = np.column_stack(columns)
        bread = np.linalg.inv(design[np.abs(error) <= limit].T @ design[np.abs(error) <= limit])
        influence = (design * np.clip(error, -limit, limit)[:, None]) @ bread[:, 0]

        def variance(groups: pd.Series) -> float:
            sums = np.bincount(groups.factorize()[0], influence)
            return float(sums @ sums) * len(sums) / max(len(sums) - 1, 1)

        of_weeks, weeks = variance(rows["week"]), int(rows["week"].nunique())
        stores = int(rows["store"].nunique())
        if stores == 1:
            return float(np.sqrt(of_weeks)), weeks - 1
        of_stores = variance(rows["store"])
        both = of_weeks + of_stores - float(influence @ influence)
        return float(np.sqrt(max(both, of_weeks, of_stores))), min(weeks, stores) - 1


def _fit(turnover: FloatArray, hours: FloatArray) -> _Fit:
    """Fit a line whose fixed hours are not below zero."""
    unit = turnover.mean()  # so that both coefficients are of the size of hours
    found = _huber(turnover / unit, hours, intercept=True)
    through_zero = bool(found.intercept_ < 0)
    if through_zero:
        found = _huber(turnover / unit, hours, intercept=False)
    scale = max(float(found.scale_), EXACT * float(hours.mean()))
    return _Fit(float(found.intercept_), float(found.coef_[0] / unit), scale, through_zero)


def _huber(turnover: FloatArray, hours: FloatArray, *, intercept: bool) -> HuberRegressor:
    model = HuberRegressor(epsilon=EPSILON, alpha=0.0, max_iter=1000, fit_intercept=intercept)
    return model.fit(turnover[:, None], hours)
