"""Past turnover prepared for features: its scale, which series are inactive, and how gaps are filled."""

import numpy as np
import pandas as pd

from sales_forecast.forecasting.features.history import MIN_KNOWN_WEEKS, SeriesHistory
from sales_forecast.forecasting.panel.matrix import PanelMatrix

WEEKS = pd.date_range("2013-01-05", periods=200, freq="7D")


def _history(*turnover) -> SeriesHistory:
    """Stores of one department, each with its turnover from the first week on."""
    matrix = np.array([np.broadcast_to(row, len(WEEKS)) for row in turnover], dtype=float)
    series = pd.DataFrame(
        {"store": range(len(matrix)), "department": "bikes", "region": "south", "zone": "1"}
    )
    return SeriesHistory(PanelMatrix(series, WEEKS, matrix))


def test_the_scale_is_the_mean_of_the_last_year():
    rising = _history(np.arange(1, 201))
    assert rising.scale(179).item() == np.arange(129, 181).mean()


def test_a_scale_needs_five_weeks_and_something_sold():
    opened = np.r_[np.full(100, np.nan), np.full(100, 80.0)]
    history = _history(opened, 0, -5, [np.nan] * 200)
    assert np.isnan(history.scale(100 + MIN_KNOWN_WEEKS - 2)).all()
    np.testing.assert_array_equal(history.scale(100 + MIN_KNOWN_WEEKS - 1), [80, np.nan, np.nan, np.nan])


def test_a_series_is_inactive_once_it_has_sold_nothing_for_a_year():
    closed = np.r_[np.full(100, 80.0), np.zeros(100)]
    opened = np.r_[np.full(196, np.nan), np.zeros(4)]  # four weeks: too early to tell
    gone = np.r_[np.full(100, 80.0), np.full(100, np.nan)]  # unknown is not nothing
    history = _history(100, closed, opened, gone)
    assert not history.inactive(150).any(), "the closed store sold something 52 weeks ago"
    assert history.inactive(151).tolist() == [False, True, False, False]
    assert history.inactive(199).tolist() == [False, True, False, False]


def test_a_store_that_opened_late_gets_its_departments_last_year_at_its_own_size():
    season = 100 + 50 * np.sin(np.arange(200))
    opened = np.r_[np.full(150, np.nan), season[150:]]
    np.testing.assert_allclose(_history(season, opened).filled[1], season)


def test_filling_leaves_known_weeks_alone(context):
    matrix = context.level_adjusted
    known = ~np.isnan(matrix.turnover)
    filled = SeriesHistory(matrix).filled
    np.testing.assert_array_equal(filled[known], np.maximum(matrix.turnover[known], 0))
    assert np.isfinite(filled).all()


def test_peers_are_summed_with_unknown_weeks_filled():
    opened = np.r_[np.full(150, np.nan), np.full(50, 100.0)]
    peers = _history(100, opened).peers
    assert set(peers) == {"department", "region", "zone"}
    np.testing.assert_allclose(peers["department"], 200)
