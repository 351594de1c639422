"""The report's words on what tuning brought."""

from __future__ import annotations

import pandas as pd

from sales_forecast.pipelines.handovers import TunedOptions, TuningJudgement
from sales_forecast.pipelines.tuning.params import TurnoverTuningParams
from sales_forecast.reporting import Section, Table

WRITTEN = (
    "The options are in conf/local/parameters/turnover_tuned.yml and are used from the next run without "
    "--env on; delete that file to go back."
)


def report_tuning(
    tuned: TunedOptions, tuning_judgement: TuningJudgement, tuning: TurnoverTuningParams
) -> Section:
    """Put options and errors with and without tuning side by side.

    Args:
        tuned: As ``tune`` returns it.
        tuning_judgement: As ``judge_tuning`` returns it.
        tuning: Names the method and the windows.
    """
    found = tuning_judgement
    words = {
        "better": f"tuning helps, beyond chance. {WRITTEN}",
        "worse": "tuning does harm, beyond chance. So the next run goes on with the present options.",
        "open": f"that may be chance. {WRITTEN}",
    }[found.verdict]
    options = pd.DataFrame({"without": tuned.current, "with": tuned.best}).rename_axis("option")
    errors = pd.DataFrame(
        [
            ("tuning windows", tuned.wape.current, tuned.wape.tuned),
            ("backtest windows", found.current, found.tuned),
        ],
        columns=["WAPE on", "without", "with"],
    )
    return Section(
        title="Turnover: with and without tuning",
        lead=(
            f"{tuned.finished} trials of {tuning.method} were finished and {tuned.pruned} given up "
            f"early, on {len(tuning.cutoffs)} windows that the backtest does not look at."
        ),
        answers=(
            f"On the windows of the backtest, which no trial has seen, the best options change the WAPE by "
            f"**{found.difference:+.2%}** (95 % between {found.low:+.2%} and {found.high:+.2%}): "
            f"{words}",
        ),
        blocks=(
            Table(errors, "Mean over windows.", {"without": ".2%", "with": ".2%"}),
            Table(options.reset_index(), "", {"without": ".4g", "with": ".4g"}),
        ),
    )
