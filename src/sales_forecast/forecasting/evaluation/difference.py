"""A difference between two methods, and how certain it is."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, isfinite
from typing import Literal

import numpy as np

POWER = 0.8
"""A difference counts as detectable if it is found in so many of all cases."""

Verdict = Literal["better", "worse", "open"]


@dataclass(frozen=True)
class Difference:
    """WAPE of a method minus that of another, mean over windows; negative: the method is better.

    Args:
        wape: Difference as measured.
        own: WAPE of the method, mean over windows.
        other: WAPE of the other method, mean over windows.
        standard_error: Standard error of the difference; infinite where one window tells nothing of chance.
        degrees_of_freedom: Of Student's distribution that the interval is taken from.
        weeks: Number of different weeks that were forecast.
        effective_weeks: Number of weeks, each independent of the others, that would say as much.
    """

    wape: float
    own: float
    other: float
    standard_error: float
    degrees_of_freedom: int
    weeks: int
    effective_weeks: float

    def half_width(self, alpha: float = 0.05) -> float:
        """Half of the interval that misses the true difference with probability ``alpha``."""
        if not isfinite(self.standard_error) or self.standard_error == 0:
            return self.standard_error
        # in very long experiments the first parts of alpha underflow to zero
        return _student(1 - max(alpha, float(np.finfo(float).tiny)) / 2, self) * self.standard_error

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of the difference."""
        return self.wape - self.half_width()

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval of the difference."""
        return self.wape + self.half_width()

    @property
    def detectable(self) -> float:
        """The smallest true difference that would be found with 80 % power."""
        if not isfinite(self.standard_error):
            return inf
        return self.half_width() + _student(POWER, self) * self.standard_error

    @property
    def verdict(self) -> Verdict:
        """``better`` or ``worse``; ``open`` where the interval contains zero."""
        return "better" if self.high < 0 else "worse" if self.low > 0 else "open"

    def p_worse(self, limit: float = 0.0) -> float:
        """One-sided p-value of the hypothesis that the method is worse by no more than ``limit``."""
        from scipy import stats

        if not isfinite(self.standard_error):
            return 1.0
        if self.standard_error == 0:
            return float(self.wape <= limit)
        return float(stats.t.sf((self.wape - limit) / self.standard_error, self.degrees_of_freedom))

    def weeks_needed(self, share: float) -> int | None:
        """Weeks of forecasts in which a gain of this share of the other's WAPE would be detectable.

        Returns:
            Number of weeks, as the standard error falls with the root of their number; None where it is
            unknown, or nothing differs.
        """
        if not isfinite(self.detectable) or self.detectable == 0 or self.other == 0:
            return None
        return ceil(self.weeks * (self.detectable / (share * self.other)) ** 2)


def _student(probability: float, found: Difference) -> float:
    from scipy import stats

    return float(-stats.t.isf(probability, found.degrees_of_freedom))
