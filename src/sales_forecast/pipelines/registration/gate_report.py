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


def report_turnover_gate(gate_decision: dict[str, Any], serving: Served) -> Section:
    """Say which model serves, and put all numbers of the decision beside it.

    Args:
        gate_decision: As ``decide_deployment`` returns it.
        serving: The model that serves after the decision.
    """
    blocks: tuple[Table | Text, ...] = ()
    if "difference" in gate_decision:
        tested = gate_decision["diebold_mariano"]
        blocks = (
            Table(
                _both(gate_decision),
                f"WAPE of {gate_decision['level']}, mean over windows, and how many weeks the intervals held.",
                {"this run's": ".2%", "the one before": ".2%", "difference": "+.2%"},
            ),
            Text(
                f"{_interval(gate_decision)} Diebold-Mariano statistic {_number(tested['statistic'])}, p-value "
                f"{_number(tested['p_value'])}."
            ),
            Table(
                pd.DataFrame(gate_decision["parts"]).rename(
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
        lead=f"Version {serving.version} of sales_forecast.turnover serves: {_why(gate_decision)}.",
        answers=_answers(gate_decision),
        blocks=blocks,
    )


def report_budget_gate(gate_decision: dict[str, Any], serving: Served) -> Section:
    """Say which model serves, and why.

    Args:
        gate_decision: As ``decide_deployment`` returns it.
        serving: The model that serves after the decision.
    """
    words = (Text(_interval(gate_decision)),) if "difference" in gate_decision else ()
    return Section(
        title="Marketing: which model serves",
        lead=f"Version {serving.version} of sales_forecast.marketing serves: {_why(gate_decision)}.",
        answers=_answers(gate_decision),
        blocks=words,
    )


def _why(gate_decision: dict[str, Any]) -> str:
    return WORDS[gate_decision["decision"]]


def _answers(gate_decision: dict[str, Any]) -> tuple[str, ...]:
    verdict = "takes over" if gate_decision["promote"] else "does **not** take over"
    return (f"This run's model {verdict}: {'; '.join(gate_decision['reasons'])}.",)


def _both(gate_decision: dict[str, Any]) -> pd.DataFrame:
    rows = [("WAPE", gate_decision["wape"]["challenger"], gate_decision["wape"]["champion"])]
    for share in gate_decision["coverage"]["challenger"]:
        held = (gate_decision["coverage"][name][share] for name in ("challenger", "champion"))
        rows.append((f"weeks in the {share} % range", *held))
    table = pd.DataFrame(rows, columns=["", "this run's", "the one before"])
    return table.assign(difference=table["this run's"] - table["the one before"])


def _interval(gate_decision: dict[str, Any]) -> str:
    found = gate_decision["difference"]
    return (
        f"The difference in WAPE is {found['wape']:+.2%}, with 95 % certainty between {found['low']:+.2%} "
        f"and {found['high']:+.2%} (paired bootstrap); one of {found['detectable']:.2%} would have been "
        "found eight times in ten."
    )


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
