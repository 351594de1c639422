"""The panel as a matrix: every week in its place, also for members of a blend that ask at the same time."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pandas as pd
import pytest

from sales_forecast.forecasting.panel.matrix import SERIES_KEYS, PanelMatrix

WEEKS = pd.date_range("2017-01-07", periods=3, freq="7D")
THREADS = 4


@pytest.fixture
def hurried_threads() -> Iterator[None]:
    """Threads that take turns after a microsecond instead of five milliseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def panel(stores: int) -> pd.DataFrame:
    rows = pd.MultiIndex.from_product([range(stores), range(4), WEEKS], names=[*SERIES_KEYS, "week"])
    return rows.to_frame(index=False).assign(turnover=np.arange(len(rows), dtype=float))


def test_every_week_is_in_its_place_and_other_weeks_are_left_out() -> None:
    matrix = PanelMatrix.of(panel(2).sample(frac=1, random_state=0), WEEKS[:2])
    assert matrix.series.to_numpy().tolist() == [
        [store, department] for store in (0, 1) for department in range(4)
    ]
    assert matrix.turnover.tolist() == [[3.0 * row, 3.0 * row + 1] for row in range(8)]


def test_a_week_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        PanelMatrix.of(pd.concat([panel(1), panel(1).tail(1)]), WEEKS)


def test_threads_may_ask_for_positions_at_the_same_time(hurried_threads: None) -> None:
    rows = panel(300)
    series = rows[SERIES_KEYS].drop_duplicates()
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(60):
            matrix, together = PanelMatrix.of(rows, WEEKS), Barrier(THREADS)

            def ask(matrix: PanelMatrix = matrix, together: Barrier = together) -> list[int]:
                together.wait()
                return list(matrix.position_of(series))

            for asked in [pool.submit(ask) for _ in range(THREADS)]:
                assert asked.result() == list(range(len(series)))
