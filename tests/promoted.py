"""A made-up chain in which a promotion multiplies turnover and a flyer does nothing: the truth is known."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from contexts import NO_SHIFTS
from handovers import half_widths
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.ridge import Ridge
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverForecaster, TurnoverPackage

HORIZON = 4
WEEKS = 130
UPLIFT = 0.5
"""A promoted week sells half as much again."""

RIDGE = Ridge(
    partition=(), max_horizon_weeks=HORIZON, origin_spacing_weeks=2, season_width_weeks=26, penalty=1.0
)


@dataclass(frozen=True)
class Chain:
    """A package of the chain, and its expected turnover without promotion in each row ahead."""

    package: TurnoverPackage
    expected: pd.Series

    @property
    def forecaster(self) -> TurnoverForecaster:
        return TurnoverForecaster(self.package)


def promoted_chain(
    seed: int,
    stores: int = 16,
    noise: float = 0.15,
    uplift_spread: float = 0.0,
    common: float = 0.0,
    method=RIDGE,
) -> Chain:
    """A chain of one department; the uplift and the noise may differ between stores and be common to weeks."""
    rng = np.random.default_rng(seed)
    weeks = pd.date_range("2021-01-02", periods=WEEKS + HORIZON, freq="7D")
    week = np.arange(len(weeks))[None, :]
    mean = rng.lognormal(7, 0.6, (stores, 1)) * (
        1 + 0.3 * np.cos(2 * np.pi * week / 52.18 + rng.uniform(0, 2 * np.pi))
    )
    promotion, flyer = (rng.random(mean.shape) < share for share in (0.2, 0.3))
    uplift = UPLIFT + uplift_spread * rng.normal(size=(stores, 1))
    shock = np.exp(rng.normal(0, noise, mean.shape) + rng.normal(0, common, (1, len(weeks))))
    turnover = mean * (1 + uplift * promotion) * shock
    keys = pd.MultiIndex.from_product([range(stores), ["bikes"], weeks], names=ROW_KEYS)
    table = keys.to_frame(index=False).assign(
        turnover=turnover.ravel(),
        promotion=promotion.ravel().astype(float),
        flyer=flyer.ravel().astype(float),
        expected=(mean * np.exp((noise**2 + common**2) / 2) * (uplift + 0 * mean)).ravel(),
    )
    past = table["week"] <= weeks[WEEKS - 1]
    zones = {
        "public_holiday_days": 0,
        "school_holiday_days": 0,
        "weeks_from_easter": 0,
        "weeks_from_christmas": 0,
    }
    data = ModelInput(
        panel=table.loc[past, [*ROW_KEYS, "turnover"]].reset_index(drop=True),
        stores=pd.DataFrame(
            {"store": range(stores), "postcode": "", "latitude": 0.0, "longitude": 0.0, "zone": "1"}
        ).assign(region=np.where(np.arange(stores) % 2, "north", "south"), school_zone="none"),
        calendar=pd.DataFrame({"week": weeks, "school_zone": "none", **zones}),
        future_covariates=table[[*ROW_KEYS, "promotion", "flyer"]],
    )
    context = ForecastContext.latest(data, NO_SHIFTS)
    widths = half_widths(0.1, 0.2)
    model = TurnoverModel(
        name="ridge",
        method=method,
        fitted=dict(method.fit(context)),
        cutoff=context.cutoff.date(),
        horizon_weeks=HORIZON,
        level_shifts=NO_SHIFTS,
        intervals=IntervalParams(scale_share=0.1),
        half_widths=widths,
        cold_start_half_widths=widths,
        level_half_widths={},
    )
    ahead = table.loc[~past].reset_index(drop=True)
    package = TurnoverPackage(model, data, ahead[ROW_KEYS], pd.DataFrame({"cutoff": [context.cutoff]}))
    return Chain(package, ahead.set_index(ROW_KEYS)["expected"])
