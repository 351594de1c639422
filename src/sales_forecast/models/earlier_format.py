"""Earlier format of turnover packages, from before parts of a model got their present names."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import numpy as np
from pydantic import JsonValue, TypeAdapter

from sales_forecast.forecasting.intervals.conformal import COVERAGES
from sales_forecast.forecasting.intervals.hierarchy import MEAN_WEEK_SHARE

TABLES = {"known_ahead": "future_covariates", "targets": "forecast_index"}
"""Earlier name of a table -> its present name."""

FIELDS = {
    "ranges": "intervals",
    "widths": "half_widths",
    "cold_widths": "cold_start_half_widths",
    "level_widths": "level_half_widths",
}
"""Earlier key of ``model.json`` -> its present name."""

CLASSES = {
    "naive.SeasonalNaive": "seasonal_naive",
    "naive.GrowthNaive": "growth_naive",
    "ridge.Ridge": "ridge",
    "boosting.LightGBM": "lightgbm",
    "boosting.HistGradientBoosting": "hist_gradient_boosting",
    "blend.Blend": "blend",
    "blend.ByHistory": "by_history",
    "workers.FittedAhead": "prefitted",
}
"""Earlier class below ``sales_forecast.forecasting`` -> present type of method."""


MAX_DEVIATIONS = 10.0
"""A ridge regression that knows no lowest and highest feature clips to so many standard deviations."""


def table_file(folder: Path, table: str) -> Path:
    """Return the file of a table in a package, which has its present or its earlier name."""
    earlier = {present: earlier for earlier, present in TABLES.items()}.get(table, table)
    file = folder / f"{table}.parquet"
    return file if file.exists() else folder / f"{earlier}.parquet"


def to_present(content: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Rewrite the content of a ``model.json`` of any earlier format; a present one is returned as it is."""
    renamed = {FIELDS.get(key, key): value for key, value in content.items()}
    if not {"method", "fitted", "intervals"} <= renamed.keys():
        return renamed  # of no format that there has been; whoever reads it says so
    present = renamed | {"method": _method(renamed["method"]), "fitted": _fitted(renamed["fitted"])}
    intervals = present["intervals"]
    if not isinstance(intervals, dict) or "weeks_back" not in intervals:
        return present
    share, levels = intervals["scale_share"], present["level_half_widths"]
    of_levels = levels.items() if isinstance(levels, dict) else ()
    return present | {
        "intervals": {"scale_share": share},
        "half_widths": _half_widths(present["half_widths"], share),
        "cold_start_half_widths": _half_widths(present["cold_start_half_widths"], share),
        "level_half_widths": {level: _half_widths(one, MEAN_WEEK_SHARE) for level, one in of_levels},
    }


def _half_widths(known: JsonValue, share: JsonValue) -> JsonValue:
    """Half-widths of all coverages, from those of 80 and 95 %, in multiples of the forecast itself.

    The others lie between them, and between the forecast and the first of them, as those of a normal
    distribution would. A department that lacks one of the two has that of all departments.
    """
    multiples = TypeAdapter(dict[str, dict[str, float]]).validate_python(known)
    score = {coverage: NormalDist().inv_cdf(0.5 + coverage / 200) for coverage in (0, *COVERAGES)}
    at = [score[coverage] for coverage in (0, 80, 95)]
    of_80, of_95 = multiples["80"], multiples["95"]
    ends = {part: (of_80.get(part, of_80[""]), of_95.get(part, of_95[""])) for part in {**of_80, **of_95}}
    completed = {
        str(coverage): multiples.get(str(coverage))
        or {
            part: float(np.interp(score[coverage], at, [0.0, low, max(low, high)]))
            for part, (low, high) in ends.items()
        }
        for coverage in COVERAGES
    }
    scale: JsonValue = {"share": share, "power": 1.0}
    return {"scale": scale, "multiples": TypeAdapter(JsonValue).validate_python(completed)}


def _method(declared: JsonValue) -> JsonValue:
    """A declared method, and all methods in it, with ``type`` instead of the path of the class."""
    if isinstance(declared, list):
        return [_method(one) for one in declared]
    if not isinstance(declared, dict):
        return declared
    options = {key: _method(value) for key, value in declared.items() if key != "class"}
    if not isinstance(path := declared.get("class"), str):
        return options
    return {"type": CLASSES.get(path.removeprefix("sales_forecast.forecasting."), path), **options}


def _fitted(state: JsonValue) -> JsonValue:
    """A fitted state with the present names of the features that it lists, and their limits."""
    if isinstance(state, dict) and "slopes" in state and "lowest" not in state:
        return _fitted(state | _limits(state))
    if isinstance(state, dict):
        return {
            key: [_feature(str(name)) for name in value]
            if key == "features" and isinstance(value, list)
            else _fitted(value)
            for key, value in state.items()
        }
    if isinstance(state, list) and state[:1] == ["tree"]:  # the lines of a LightGBM model
        return [_names_of_features(str(line)) for line in state]
    return state


def _names_of_features(line: str) -> str:
    key, _, names = line.partition("feature_names=")
    return line if key or not names else "feature_names=" + " ".join(map(_feature, names.split(" ")))


def _limits(state: dict[str, JsonValue]) -> dict[str, JsonValue]:
    mean, spread = (np.array(state[key], dtype=float) for key in ("mean", "spread"))
    lowest, highest = mean - MAX_DEVIATIONS * spread, mean + MAX_DEVIATIONS * spread
    return {"lowest": lowest.tolist(), "highest": highest.tolist()}


def _feature(name: str) -> str:
    if name == "usual":
        return "seasonal_reference"
    return name.replace("known_ahead.", "future_covariates.", 1) if name.startswith("known_ahead.") else name
