"""A fold is computed once, and again as soon as anything that it was made from is different."""

import importlib
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import sales_forecast
from contexts import small_context
from sales_forecast.forecasting.evaluation import fold_cache
from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams
from sales_forecast.forecasting.evaluation.forecaster import SECONDS
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.naive import GrowthNaive

METHOD = """
from pathlib import Path
import numpy as np
from sales_forecast.forecasting.methods.base import Method

class Counted(Method, frozen=True):
    log: str
    level: float = 1.0

    def forecast(self, context, forecast_index, fitted):
        with open(self.log, "a") as log:
            log.write("x")
        return np.full(len(forecast_index), self.level)
"""


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Method:
    """A method from elsewhere that records each forecast it makes."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "elsewhere.py").write_text(METHOD)
    monkeypatch.syspath_prepend(tmp_path / "code")
    fold_cache._code_version.cache_clear()
    yield importlib.import_module("elsewhere").Counted(log=str(tmp_path / "log"))
    del sys.modules["elsewhere"]
    fold_cache._code_version.cache_clear()


@pytest.fixture
def cache(tmp_path: Path) -> FoldCache:
    return FoldCache(FoldCacheParams(folder=str(tmp_path / "folds"), limit_megabytes=10))


def _computed(tmp_path: Path) -> int:
    log = tmp_path / "log"
    return len(log.read_text()) if log.exists() else 0


def _context() -> ForecastContext:
    return small_context(np.arange(1.0, 181).reshape(3, 60))


def _index(context: ForecastContext, weeks: int = 2) -> pd.DataFrame:
    keys = context.data.panel[["store", "department"]].drop_duplicates()
    ahead = [context.cutoff + pd.Timedelta(weeks=week) for week in range(1, weeks + 1)]
    return keys.merge(pd.DataFrame({"week": ahead}), how="cross")


def test_a_fold_is_computed_once_and_read_as_it_was(cache: FoldCache) -> None:
    context, method = _context(), GrowthNaive(growth_weeks=8)
    assert not cache.knows(method, context, _index(context))
    first = cache.fit_and_forecast(method, context, _index(context))
    assert cache.knows(method, context, _index(context))
    again = cache.fit_and_forecast(method, context, _index(context))
    assert_frame_equal(first, again)
    assert again.attrs[SECONDS] == first.attrs[SECONDS] > 0


def test_one_value_one_option_one_row_or_one_line_of_code_computes_anew(
    cache: FoldCache, counted: Method, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = _context()
    index = _index(context)
    for _ in range(2):
        cache.fit_and_forecast(counted, context, index)
    assert _computed(tmp_path) == 1

    panel = context.data.panel.copy()
    panel.loc[5, "turnover"] += 1e-9
    cache.fit_and_forecast(counted, replace(context, data=replace(context.data, panel=panel)), index)
    assert _computed(tmp_path) == 2
    cache.fit_and_forecast(counted.model_copy(update={"level": 1.5}), context, index)
    assert _computed(tmp_path) == 3
    cache.fit_and_forecast(counted, context, index.iloc[1:])
    assert _computed(tmp_path) == 4
    shifts = context.level_shifts.model_copy(update={"hold_weeks": 99})
    cache.fit_and_forecast(counted, replace(context, level_shifts=shifts), index)
    assert _computed(tmp_path) == 5

    own = tmp_path / "code" / "elsewhere.py"
    own.write_text(METHOD.replace("self.level)", "self.level + 0)"))
    fold_cache._code_version.cache_clear()
    cache.fit_and_forecast(counted, context, index)
    assert _computed(tmp_path) == 6

    package = tmp_path / "sales_forecast"
    shutil.copytree(Path(sales_forecast.__path__[0]) / "forecasting", package / "forecasting")
    monkeypatch.setattr(sales_forecast, "__path__", [str(package)])
    fold_cache._code_version.cache_clear()
    cache.fit_and_forecast(counted, context, index)
    assert _computed(tmp_path) == 6, "the same code in another place"
    changed = package / "forecasting" / "panel" / "matrix.py"
    changed.write_text(changed.read_text() + "\n")
    fold_cache._code_version.cache_clear()
    cache.fit_and_forecast(counted, context, index)
    assert _computed(tmp_path) == 7


def test_a_calendar_that_reaches_further_is_no_reason_to_compute_anew(
    cache: FoldCache, counted: Method, tmp_path: Path
) -> None:
    context = _context()
    weeks = pd.date_range(context.first_week, periods=80, freq="7D")
    for length in (70, 80):
        calendar = pd.DataFrame({"week": weeks[:length], "school_zone": "none", "holidays": 0.0})
        known = replace(context, data=replace(context.data, calendar=calendar))
        cache.fit_and_forecast(counted, known, _index(context))
    assert _computed(tmp_path) == 1


def test_folds_used_longest_ago_go_first(tmp_path: Path) -> None:
    context = _context()
    cache = FoldCache(FoldCacheParams(folder=str(tmp_path / "folds"), limit_megabytes=10))
    for weeks in (1, 2, 3):
        cache.fit_and_forecast(GrowthNaive(growth_weeks=8), context, _index(context, weeks))
        time.sleep(0.02)
    cache.fit_and_forecast(GrowthNaive(growth_weeks=8), context, _index(context, 1))
    size = max(fold.size for fold in cache.files())
    small = FoldCache(cache.params.model_copy(update={"limit_megabytes": 2.5 * size / 1e6}))
    small.trim()
    kept = [small.knows(GrowthNaive(growth_weeks=8), context, _index(context, n)) for n in (1, 2, 3)]
    assert kept == [True, False, True]
    assert small.clear() == 2
    assert list(small.files()) == []


def test_without_room_nothing_is_kept(counted: Method, tmp_path: Path) -> None:
    off = FoldCache(FoldCacheParams(folder=str(tmp_path / "folds"), limit_megabytes=0))
    context = _context()
    for _ in range(2):
        off.fit_and_forecast(counted, context, _index(context))
    assert _computed(tmp_path) == 2
    assert not (tmp_path / "folds").exists()


def test_a_file_that_cannot_be_read_is_computed_anew_and_one_that_is_gone_stays_gone(
    cache: FoldCache, counted: Method, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = _context()
    index = _index(context)
    first = cache.fit_and_forecast(counted, context, index)
    (fold,) = cache.files()
    fold.path.write_bytes(fold.path.read_bytes()[:100])
    assert_frame_equal(cache.fit_and_forecast(counted, context, index), first)
    assert "cannot be read, so the fold is computed anew" in caplog.text
    assert _computed(tmp_path) == 2
    cache.fit_and_forecast(counted, context, index)
    assert _computed(tmp_path) == 2


def test_where_nothing_can_be_written_a_run_goes_on(
    counted: Method, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "folds").write_text("a file where the folder should be")
    cache = FoldCache(FoldCacheParams(folder=str(tmp_path / "folds"), limit_megabytes=10))
    context = _context()
    assert len(cache.fit_and_forecast(counted, context, _index(context))) == len(_index(context))
    assert "cannot be kept" in caplog.text
    cache.trim()


def test_a_line_of_a_base_class_from_elsewhere_computes_anew(
    cache: FoldCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "shop_methods"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "base.py").write_text(METHOD)
    (package / "own.py").write_text(
        "from shop_methods.base import Counted\n\nclass Own(Counted, frozen=True):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    method = importlib.import_module("shop_methods.own").Own(log=str(tmp_path / "log"))
    context = _context()
    for text in (METHOD, METHOD.replace("self.level)", "self.level + 0)")):
        (package / "base.py").write_text(text)
        fold_cache._code_version.cache_clear()
        cache.fit_and_forecast(method, context, _index(context))
    assert _computed(tmp_path) == 2
