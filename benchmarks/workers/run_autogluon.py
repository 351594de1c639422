"""Fit AutoGluon-TimeSeries on the files of a folder and write its forecasts there."""

from __future__ import annotations

import pandas as pd
from autogluon.timeseries import TimeSeriesDataFrame, TimeSeriesPredictor
from handover import Handover


def main() -> None:
    """Fit within the time limit, and forecast with the best model of the validation."""
    given = Handover.read()
    keys = {"id_column": "series", "timestamp_column": "week"}
    past = TimeSeriesDataFrame.from_data_frame(given.past, static_features_df=given.attributes, **keys)
    future = TimeSeriesDataFrame.from_data_frame(given.future, **keys)
    predictor = TimeSeriesPredictor(
        prediction_length=given.horizon_weeks,
        target="turnover",
        known_covariates_names=given.covariates,
        freq=pd.infer_freq(sorted(given.past["week"].unique())[-10:]),
        eval_metric=given.options["eval_metric"],
        quantile_levels=given.levels,
        path=str(given.folder / "models"),
        verbosity=2,
    )
    predictor.fit(
        past,
        presets=given.options["preset"],
        time_limit=given.options["time_limit_seconds"],
        excluded_model_types=list(given.options["excluded_models"]),
        random_seed=given.options["seed"],
    )
    forecasts = predictor.predict(past, known_covariates=future, random_seed=given.options["seed"])
    scores = predictor.leaderboard().set_index("model")["score_val"]
    best = predictor.model_best
    weights = predictor.info()["model_info"][best].get("model_weights", {best: 1.0})
    rows = forecasts.to_data_frame().reset_index(names=["series", "week"])
    rows = rows.rename(columns={column: str(column) for column in rows})
    about = {
        "weights": {name: float(weight) for name, weight in weights.items()},
        "validation": {name: float(score) for name, score in scores.items()},
    }
    given.write(rows, about, "autogluon.timeseries", "torch")


if __name__ == "__main__":
    main()
