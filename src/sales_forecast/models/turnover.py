"""The turnover model as a package: a folder with what it learnt and the past it forecasts from."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.features.context import ForecastContext, weeks_ahead
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.matrix import KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models import earlier_format

LIBRARIES = ("joblib", "lightgbm", "numpy", "pandas", "pyarrow", "pydantic", "scikit-learn", "scipy")
"""Distributions that loading and asking need, beside what they need themselves."""

ANSWER = [*KEYS, "week", "horizon", "forecast", *INTERVAL_COLUMNS, "cold_start"]


@dataclass(frozen=True)
class TurnoverPackage:
    """A model and the tables it was made from.

    Args:
        model: The fitted method.
        data: Weekly turnover up to the last week seen, and what is known of stores and weeks.
        forecast_index: ``store, department, week`` that were forecast when it was made.
        backtest: What its method would have forecast in the past, with what came true.
    """

    model: TurnoverModel
    data: ModelInput
    forecast_index: pd.DataFrame
    backtest: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write ``model.json``, readable line by line, and one Parquet file per table."""
        folder.mkdir(parents=True, exist_ok=True)
        content = self.model.model_dump(mode="json")
        (folder / "model.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        self.data.write(folder)
        self.forecast_index.to_parquet(folder / "forecast_index.parquet", index=False)
        self.backtest.to_parquet(folder / "backtest.parquet", index=False)

    @classmethod
    def read(cls, folder: Path) -> TurnoverPackage:
        """Read what ``write`` wrote, now or under earlier names; nothing in it is run."""
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if earlier_format.is_earlier(content):
            content = earlier_format.to_present(content)

        def table(name: str) -> pd.DataFrame:
            return pd.read_parquet(earlier_format.table_file(folder, name))

        data = ModelInput(**{field.name: table(field.name) for field in fields(ModelInput)})
        return cls(TurnoverModel(**content), data, table("forecast_index"), table("backtest"))

    @cached_property
    def context(self) -> ForecastContext:
        """What was known when it was made."""
        return self.model.context(self.data)

    @cached_property
    def horizon_weeks(self) -> int:
        """How many weeks ahead can be asked about."""
        wanted = (
            weeks_ahead(self.forecast_index, self.context.cutoff).max() if len(self.forecast_index) else 0
        )
        return max(self.model.horizon_weeks, int(wanted))

    def with_series(self, stores: pd.DataFrame, recent: pd.DataFrame) -> TurnoverPackage:
        """The package as it would be, had the retailer's files held these stores and weeks, too.

        Args:
            stores: New ones, ``store`` and any attributes; what is missing stays unknown.
            recent: ``store, department, week, turnover``; takes the place of what is known of these weeks.

        Raises:
            InputError: A week is not one of the panel's, up to the last week seen.
        """
        weeks = pd.date_range(self.data.first_week, self.context.cutoff, freq="7D")
        off = recent.loc[~recent["week"].isin(weeks), "week"]
        if len(off):
            raise InputError(
                f"{len(off)} week(s) that the model cannot know, e.g. {off.iloc[0]:%Y-%m-%d}: weeks begin on "
                f"{weeks[0]:%A}s, from {weeks[0]:%Y-%m-%d} to {weeks[-1]:%Y-%m-%d}"
            )
        rows = [
            _every_week(recent, weeks),
            self.data.panel,
            recent,
        ]  # of rows for the same week the last counts
        panel = pd.concat(rows).drop_duplicates([*KEYS, "week"], keep="last")
        places = pd.concat([self.data.stores, self._placed(stores)]).drop_duplicates("store", keep="last")
        data = replace(
            self.data,
            panel=panel.sort_values([*KEYS, "week"], ignore_index=True),
            stores=places.reset_index(drop=True),
        )
        return replace(self, data=data)

    def _placed(self, stores: pd.DataFrame) -> pd.DataFrame:
        """New stores have the school holidays of their neighbours: by postcode, or of most stores."""
        area = self.data.stores["postcode"].str[:2]
        near = self.data.stores.groupby(area)["school_zone"].agg(lambda zones: zones.mode()[0])
        zones = stores["postcode"].str[:2].map(near).fillna(self.data.stores["school_zone"].mode()[0])
        whole = stores.assign(school_zone=zones).reindex(columns=self.data.stores.columns)
        return whole.astype(self.data.stores.dtypes.to_dict())

    def options(self) -> dict[str, str]:
        """Columns that a question may have, with MLflow's names of their types."""
        return {"horizon": "long"} | dict.fromkeys(self.data.covariate_columns, "double")

    def example(self) -> pd.DataFrame:
        """A question about two weeks that it can answer."""
        asked = self.forecast_index[[*KEYS, "week"]].head(2).reset_index(drop=True)
        return asked[KEYS].assign(horizon=weeks_ahead(asked, self.context.cutoff))


def _every_week(recent: pd.DataFrame, weeks: pd.DatetimeIndex) -> pd.DataFrame:
    """The weeks of every series from its first to the last week seen, their turnover unknown."""
    first = recent.groupby(KEYS, as_index=False).agg(first=("week", "min"))
    whole = first.merge(pd.DataFrame({"week": weeks}), how="cross")
    return whole.loc[whole["week"] >= whole["first"], [*KEYS, "week"]].assign(turnover=np.nan)


class TurnoverForecaster:
    """Answers questions about series; what MLflow calls a pyfunc model."""

    def __init__(self, package: TurnoverPackage) -> None:
        self._package = package

    @cached_property
    def _known(self) -> pd.DataFrame:
        """All forecasts that were made with the package: with few rows, young series lack peers."""
        model, context = self._package.model, self._package.context
        return model.forecast(context, self._package.forecast_index[[*KEYS, "week"]]).set_index(
            [*KEYS, "week"]
        )

    @cached_property
    def _forecast_index(self) -> pd.MultiIndex:
        return pd.MultiIndex.from_frame(self._package.forecast_index[[*KEYS, "week"]])

    @cached_property
    def labels(self) -> dict[str, dict[str, Any]]:
        """Stores and departments that the model knows: as text, since 7 and "7" are the same, and as ours."""
        known = {
            "store": self._package.data.stores["store"],
            "department": self._package.data.panel["department"],
        }
        return {key: {str(value): value for value in values.unique()} for key, values in known.items()}

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Forecast series.

        Args:
            model_input: ``store, department``, optionally ``horizon`` (weeks after the last week seen; if it
                is left out, every week ahead) and columns known ahead, whose values then take the place of
                the plan's.
            params: None.

        Returns:
            ``store, department, week, horizon, forecast, lo_80, hi_80, lo_95, hi_95, cold_start``, in the
            order asked; currency units per week.

        Raises:
            InputError: A store or department is unknown, or a horizon no number of weeks.
        """
        asked = self._asked(model_input)
        keys = pd.MultiIndex.from_frame(asked[[*KEYS, "week"]])
        what_if = [name for name in self._package.data.covariate_columns if name in asked]
        if what_if:
            answers = self._forecast(asked, self._with_plan(asked, what_if))
        elif (known := keys.isin(self._forecast_index)).all():
            answers = self._known
        else:
            answers = self._forecast(asked, self._package.context)
            if known.any():
                answers = pd.concat([self._known, answers[~answers.index.isin(self._forecast_index)]])
        return answers.loc[keys].reset_index()[ANSWER]

    def _asked(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """The forecast index, one row a week, with the types of the tables."""
        if missing := [key for key in KEYS if key not in model_input]:
            raise InputError(f"column(s) missing: {', '.join(missing)}")
        asked = model_input.reset_index(drop=True)
        for key, ours in self.labels.items():
            found = asked[key].astype(str).map(ours)
            if found.isna().any():
                unknown = asked.loc[found.isna(), key]
                raise InputError(
                    f"column '{key}': {len(unknown)} value(s) that the model does not know, e.g. "
                    f"'{unknown.iloc[0]}'"
                )
            asked[key] = found.astype(self._package.data.panel[key].dtype)
        cutoff, weeks = self._package.context.cutoff, self._package.horizon_weeks
        if "horizon" not in asked:
            asked = asked.merge(pd.DataFrame({"horizon": np.arange(1, weeks + 1)}), how="cross")
        bad = ~asked["horizon"].isin(range(1, weeks + 1))
        if bad.any():
            raise InputError(
                f"column 'horizon': {bad.sum()} value(s) that are not whole numbers from 1 to {weeks}, e.g. "
                f"{asked.loc[bad, 'horizon'].iloc[0]}"
            )
        return asked.assign(week=cutoff + pd.to_timedelta(7 * asked["horizon"].astype(int), unit="D"))

    def _with_plan(self, asked: pd.DataFrame, columns: list[str]) -> ForecastContext:
        """The context with the values asked about, where there are any, in place of the plan's."""
        if (twice := asked.duplicated([*KEYS, "week"])).any():
            raise InputError(
                f"{twice.sum()} question(s) ask again about the same store, department and week, with values "
                f"of {', '.join(columns)}: ask about each week once"
            )
        data = self._package.data
        plan = data.future_covariates.set_index([*KEYS, "week"])
        new = asked.set_index([*KEYS, "week"])[columns]
        changed = plan.reindex(plan.index.union(new.index))
        changed.loc[new.index, columns] = new.fillna(changed.loc[new.index, columns])
        return self._package.model.context(replace(data, future_covariates=changed.reset_index()))

    def _forecast(self, asked: pd.DataFrame, context: ForecastContext) -> pd.DataFrame:
        """Forecast what is asked among all series, so that young ones find their peers in every week."""
        wanted, usual = asked[[*KEYS, "week"]], self._package.forecast_index[[*KEYS, "week"]]
        weeks = wanted[["week"]].drop_duplicates()
        peers = usual[KEYS].drop_duplicates().merge(weeks, how="cross")
        forecast_index = pd.concat([wanted, usual, peers], ignore_index=True).drop_duplicates(
            ignore_index=True
        )
        return self._package.model.forecast(context, forecast_index).set_index([*KEYS, "week"])


forecaster = TurnoverForecaster
"""What answers, whatever the domain."""


def _load_pyfunc(path: str) -> TurnoverForecaster:
    """MLflow calls this by name."""
    return TurnoverForecaster(TurnoverPackage.read(Path(path)))
