"""Whether one method is better than another, or it was luck."""

import numpy as np
import pandas as pd

from sales_forecast.forecasting.evaluation.significance import compare, compare_errors


def test_observations_are_drawn_as_stores_are() -> None:
    rng = np.random.default_rng(7)
    actuals = rng.uniform(1, 30, 40)
    forecasts = {name: actuals + rng.normal(0, 3, 40) for name in ("new", "old")}
    each_a_store = pd.concat(
        [
            pd.DataFrame(
                {"store": range(40), "cutoff": 0, "turnover": actuals, "forecast": one, "method": name}
            )
            for name, one in forecasts.items()
        ]
    )
    new, old = (actuals - one for one in forecasts.values())
    assert compare_errors(new, old, actuals, 500, 1) == compare(each_a_store, "new", "old", 500, 1)
