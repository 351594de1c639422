"""The report's words on which model serves, and why."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sales_forecast.registry.dataset import Served
from sales_forecast.reporting import Section, Table, Text

WORDS = {
    "first": "it is the first one",
    "better": "it is better than the one before, beyond chance",
    "refit": "it is the method of the one before, fitted on newer data",
    "unable": "the one before cannot answer what is asked now",
    "refused": "this run's model was refused",
}


def report_turnover_promotion(promotion: dict[str, Any], serving: Served) -> Section:
    """Say which model serves, and put all numbers of the decision beside it.

    Args:
        promotion: As ``decide_promotion`` returns it.
        serving: The model that serves after the decision.
    """
    blocks: tuple[Table | Text, ...] = ()
    if "difference" in promotion:
        tested = promotion["diebold_mariano"]
        blocks = (
            Table(
                _both(promotion),
                f"WAPE of {promotion['level']}, mean over windows, and how many weeks the ranges held.",
                {"this run's": ".2%", "the one before": ".2%", "difference": "+.2%"},
            ),
            Text(
                f"{_interval(promotion)} Diebold-Mariano statistic {_number(tested['statistic'])}, p-value "
                f"{_number(tested['p_value'])}."
            ),
            Table(
                pd.DataFrame(promotion["parts"]).rename(
                    columns={
                        "value": "which",
                        "challenger": "this run's",
                        "champion": "the one before",
                        "worse_by": "change",
                    }
                ),
                "WAPE by department and region.",
                {"this run's": ".1%", "the one before": ".1%", "change": "+.1%"},
                collapsed=True,
            ),
        )
    return Section(
        title="Turnover: which model serves",
        lead=f"Version {serving.version} of sales_forecast.turnover serves: {_why(promotion)}.",
        answers=_answers(promotion),
        blocks=blocks,
    )


def report_budget_promotion(promotion: dict[str, Any], serving: Served) -> Section:
    """Say which model serves, and why.

    Args:
        promotion: As ``decide_promotion`` returns it.
        serving: The model that serves after the decision.
    """
    words = (Text(_interval(promotion)),) if "difference" in promotion else ()
    return Section(
        title="Marketing: which model serves",
        lead=f"Version {serving.version} of sales_forecast.marketing serves: {_why(promotion)}.",
        answers=_answers(promotion),
        blocks=words,
    )


def _why(promotion: dict[str, Any]) -> str:
    return WORDS[promotion["decision"]]


def _answers(promotion: dict[str, Any]) -> tuple[str, ...]:
    verdict = "takes over" if promotion["promote"] else "does **not** take over"
    return (f"This run's model {verdict}: {'; '.join(promotion['reasons'])}.",)


def _both(promotion: dict[str, Any]) -> pd.DataFrame:
    rows = [("WAPE", promotion["wape"]["challenger"], promotion["wape"]["champion"])]
    for share in promotion["coverage"]["challenger"]:
        held = (promotion["coverage"][name][share] for name in ("challenger", "champion"))
        rows.append((f"weeks in the {share} % range", *held))
    table = pd.DataFrame(rows, columns=["", "this run's", "the one before"])
    return table.assign(difference=table["this run's"] - table["the one before"])


def _interval(promotion: dict[str, Any]) -> str:
    found = promotion["difference"]
    return (
        f"The difference in WAPE is {found['wape']:+.2%}, with 95 % certainty between {found['low']:+.2%} "
        f"and {found['high']:+.2%} (paired bootstrap); one of {found['detectable']:.2%} would have been "
        "found eight times in ten."
    )


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
