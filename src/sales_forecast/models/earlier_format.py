"""Reads turnover packages that were written before parts of a model got their present names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TABLES = {"known_ahead": "future_covariates", "targets": "forecast_index"}
"""Name of a table's file then -> its name now."""

FIELDS = {
    "ranges": "intervals",
    "widths": "half_widths",
    "cold_widths": "cold_start_half_widths",
    "level_widths": "level_half_widths",
}
"""Key of ``model.json`` then -> its name now."""

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
"""Class below ``sales_forecast.forecasting`` then -> type of method now."""


def is_earlier(content: dict[str, Any]) -> bool:
    """Return whether the content of a ``model.json`` is in the earlier format."""
    return "widths" in content


def table_file(folder: Path, table: str) -> Path:
    """Return where a table of a package lies, under its present or its earlier name."""
    earlier = {now: then for then, now in TABLES.items()}.get(table, table)
    present = folder / f"{table}.parquet"
    return present if present.exists() else folder / f"{earlier}.parquet"


def to_present(content: dict[str, Any]) -> dict[str, Any]:
    """Rewrite the content of a ``model.json`` with the present names."""
    renamed = {FIELDS.get(key, key): value for key, value in content.items()}
    return renamed | {"method": _method(renamed["method"]), "fitted": _fitted(renamed["fitted"])}


def _method(declared: Any) -> Any:
    """A declared method with its type instead of the path of its class, and so all methods in it."""
    if isinstance(declared, list):
        return [_method(one) for one in declared]
    if not isinstance(declared, dict):
        return declared
    options = {key: _method(value) for key, value in declared.items() if key != "class"}
    if not isinstance(path := declared.get("class"), str):
        return options
    return {"type": CLASSES.get(path.removeprefix("sales_forecast.forecasting."), path)} | options


def _fitted(state: Any) -> Any:
    """What was fitted, with the present names of the features that it lists."""
    if isinstance(state, dict):
        return {
            key: [_feature(name) for name in value]
            if key == "features" and isinstance(value, list)
            else _fitted(value)
            for key, value in state.items()
        }
    return state


def _feature(name: str) -> str:
    if name == "usual":
        return "seasonal_reference"
    return name.replace("known_ahead.", "future_covariates.", 1) if name.startswith("known_ahead.") else name
