"""Groups of features: every feature, and so every contribution to a forecast, belongs to one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

import numpy as np

from sales_forecast.forecasting.panel.matrix import FloatArray


class FeatureGroup(IntEnum):
    """Group of contributions to a forecast; also the column of a contribution matrix."""

    BASE = 0
    """The forecast of an average week, before any feature counts."""

    SAME_WEEK = 1
    """The same week of past years."""

    RECENT = 2
    """Recent weeks and growth."""

    SEASON = 3
    """Season, holidays, and how the week stood out in the department and the region in past years."""

    PLACE = 4
    """Place, age and attributes of the store."""

    FUTURE_COVARIATES = 5
    """The retailer's own columns that are known for future weeks."""

    OTHER = 6
    """Everything that a method cannot assign."""


def sum_by_group(
    contributions: FloatArray, features: Sequence[str], groups: Mapping[str, FeatureGroup]
) -> FloatArray:
    """Sum contributions of features by the group that each feature belongs to.

    Args:
        contributions: Shape ``(rows, len(features) + 1)``; the last column is the base.
        features: Names of all columns but the last.
        groups: Group of each feature.

    Returns:
        Shape ``(rows, len(FeatureGroup))``.

    Raises:
        ValueError: A feature belongs to no group.
    """
    if unknown := [name for name in features if name not in groups]:
        raise ValueError(
            f"{len(unknown)} feature(s) belong to no group of attributions, e.g. '{unknown[0]}'. The feature "
            "builder declares a group for each feature that it makes."
        )
    summed = np.zeros((len(contributions), len(FeatureGroup)))
    for column, group in enumerate([*(groups[name] for name in features), FeatureGroup.BASE]):
        summed[:, group] += contributions[:, column]
    return summed
