"""The report's words on what tuning brought."""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.evaluation.gate_result import WapeDifference
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
        "open": "that may be chance. So the next run goes on with the present options.",
    }[found.verdict]
    noise = f" (standard error {100 * tuned.wape.noise:.2f} points)" if tuned.wape.noise is not None else ""
    chance = (
        f". The chance that they are worse is {found.chance_worse:.0%}"
        if found.chance_worse is not None
        else ""
    )
    gained = 100 * (tuned.wape.tuned - tuned.wape.current)
    options = pd.DataFrame({"without": tuned.current, "with": tuned.best}).rename_axis("option")
    errors = pd.DataFrame(
        [
            ("tuning windows", tuned.wape.current, tuned.wape.tuned),
            ("judging windows", found.current, found.tuned),
        ],
        columns=["WAPE on", "without", "with"],
    )
    return Section(
        title="Turnover: with and without tuning",
        lead=(
            f"{tuned.finished} trials of {tuning.method} were finished and {tuned.pruned} given up early, on "
            f"windows up to {tuned.seen_until}. {len(found.windows)} others, which no trial has seen, judge."
        ),
        answers=(
            f"On the windows that no trial has seen, the best options change the WAPE by "
            f"**{100 * found.difference.wape:+.2f} points**{_interval(found.difference)}{chance}: "
            f"{words}",
            f"On the windows of the search they changed it by {gained:+.2f} points{noise}; the best of many "
            "trials always looks better there than it is.",
        ),
        blocks=(
            Table(errors, "Mean over windows.", {"without": ".2%", "with": ".2%"}),
            Table(options.reset_index(), "", {"without": ".4g", "with": ".4g"}),
        ),
    )


def _interval(found: WapeDifference) -> str:
    if found.low is None or found.high is None:
        return " (one window tells nothing about chance)"
    return f" (95 % interval {100 * found.low:+.2f} to {100 * found.high:+.2f})"
