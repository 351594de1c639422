"""Fit skforecast's recursive forecaster on the files of a folder and write its forecasts there."""

from __future__ import annotations

import warnings

import pandas as pd
from handover import Handover
from lightgbm import LGBMRegressor
from skforecast.preprocessing import RollingFeatures
from skforecast.recursive import ForecasterRecursiveMultiSeries
from sklearn.preprocessing import StandardScaler

MEDIAN = 0.5


def main() -> None:
    """Fit one booster on the series that have all lags, and forecast them."""
    warnings.filterwarnings("ignore")
    given = Handover.read()
    options = given.options
    needed = max(*options["lags"], *options["mean_weeks"]) + 1
    past = given.past[given.past.groupby("series")["turnover"].transform("count") > needed]
    exogenous = _by_series(_with_features(given, past))
    forecaster = ForecasterRecursiveMultiSeries(
        estimator=LGBMRegressor(
            n_estimators=options["trees"],
            learning_rate=options["learning_rate"],
            num_leaves=options["leaves"],
            random_state=options["seed"],
            deterministic=True,
            force_col_wise=True,
            n_jobs=1,
            verbose=-1,
        ),
        lags=list(options["lags"]),
        window_features=RollingFeatures(
            stats=["mean"] * len(options["mean_weeks"]), window_sizes=list(options["mean_weeks"])
        ),
        encoding="ordinal_category",
        transformer_series=StandardScaler(),
    )
    forecaster.fit(
        series={
            name: table.set_index("week")["turnover"].interpolate().ffill().asfreq("7D")
            for name, table in past.assign(series=past["series"].astype(str)).groupby("series")
        },
        exog=exogenous,
        store_in_sample_residuals=True,
        suppress_warnings=True,
    )
    known = given.future[given.future["series"].isin(past["series"])]
    ahead = {"steps": given.horizon_weeks, "exog": _by_series(_with_features(given, known))}
    forecasts = forecaster.predict(**ahead, suppress_warnings=True).set_index("level", append=True)
    columns = {str(MEDIAN): forecasts["pred"]}
    for low in (level for level in given.levels if level < MEDIAN):
        ends = forecaster.predict_interval(
            **ahead, method="conformal", interval=1 - 2 * low, suppress_warnings=True
        ).set_index("level", append=True)
        columns |= {str(low): ends["lower_bound"], str(round(1 - low, 6)): ends["upper_bound"]}
    rows = pd.DataFrame(columns).reset_index(names=["week", "series"]).astype({"series": int})
    given.write(rows, {}, "skforecast", "lightgbm")


def _with_features(given: Handover, rows: pd.DataFrame) -> pd.DataFrame:
    """Covariates, month, week of the year and attributes of each row; texts become their numbers."""
    attributes = given.attributes.set_index("series")
    texts = attributes.select_dtypes(exclude="number").columns
    coded = attributes.assign(**{name: attributes[name].astype("category").cat.codes for name in texts})
    week = rows["week"].dt
    features = rows[["series", "week", *given.covariates]].assign(
        month=week.month, week_of_year=week.isocalendar()["week"].astype(int)
    )
    return features.join(coded, on="series")


def _by_series(features: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        str(name): table.drop(columns="series").set_index("week").astype(float).asfreq("7D")
        for name, table in features.groupby("series")
    }


if __name__ == "__main__":
    main()
