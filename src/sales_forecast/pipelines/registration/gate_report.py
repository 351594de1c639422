"""The report's words on which model serves, and why."""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.evaluation.gate_result import GAIN, WapeDifference
from sales_forecast.models.marketing import BudgetPackage
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import Decision, GateDecision, TurnoverGateDecision
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import Section, Table, Text

WORDS: dict[Decision, str] = {
    "first": "it is the first one",
    "better": "it is better than the one before, beyond chance",
    "refit": "it is the method of the one before, fitted on newer data",
    "unable": "the one before cannot make the forecasts of this run",
    "refused": "this run's model was refused",
}


def report_turnover_gate(
    gate_decision: TurnoverGateDecision, serving: ServingModel[TurnoverPackage]
) -> Section:
    """Say which model serves, and put all numbers of the decision beside it.

    Args:
        gate_decision: As ``decide_deployment`` returns it.
        serving: The model that serves after the decision.
    """
    return Section(
        title="Turnover: which model serves",
        lead=f"Version {serving.version} of {serving.name} serves: {_why(gate_decision)}.",
        answers=_answers(gate_decision),
        blocks=_comparison(gate_decision),
    )


def report_budget_gate(gate_decision: GateDecision, serving: ServingModel[BudgetPackage]) -> Section:
    """Say which model serves, and why.

    Args:
        gate_decision: As ``decide_deployment`` returns it.
        serving: The model that serves after the decision.
    """
    words = (Text(_interval(gate_decision.difference)),) if gate_decision.difference else ()
    return Section(
        title="Marketing: which model serves",
        lead=f"Version {serving.version} of {serving.name} serves: {_why(gate_decision)}.",
        answers=_answers(gate_decision),
        blocks=words,
    )


def _why(gate_decision: GateDecision) -> str:
    return WORDS[gate_decision.decision]


def _answers(gate_decision: GateDecision) -> tuple[str, ...]:
    verdict = "takes over" if gate_decision.promote else "does **not** take over"
    return (f"This run's model {verdict}: {'; '.join(gate_decision.reasons)}.",)


def _comparison(gate_decision: TurnoverGateDecision) -> tuple[Table | Text, ...]:
    """The numbers of the decision; nothing where there was no model to compare with."""
    tested = gate_decision.diebold_mariano
    if gate_decision.difference is None or tested is None:
        return ()
    parts = pd.DataFrame([part.model_dump(exclude={"harmed"}) for part in gate_decision.parts])
    return (
        Table(
            _both(gate_decision),
            f"WAPE of {gate_decision.level}, mean over windows, and the share of weeks in the ranges.",
            {"this run's": ".2%", "the one before": ".2%", "difference": "+.2%"},
        ),
        Text(
            f"{_interval(gate_decision.difference)} Diebold-Mariano statistic {_number(tested.statistic)}, "
            f"p-value {_number(tested.p_value)}."
        ),
        Table(
            parts.rename(
                columns={
                    "value": "which",
                    "challenger": "this run's",
                    "champion": "the one before",
                    "worse_by": "change",
                    "estimate": "estimate",
                }
            ),
            "WAPE by department and region. The last column draws each change towards the mean of all, by as "
            "much as it is uncertain.",
            {"this run's": ".1%", "the one before": ".1%", "change": "+.1%", "estimate": "+.1%"},
            collapsed=True,
        ),
    )


def _both(gate_decision: TurnoverGateDecision) -> pd.DataFrame:
    rows: list[tuple[str, float, float]] = []
    if gate_decision.wape:
        rows.append(("WAPE", gate_decision.wape.challenger, gate_decision.wape.champion))
    own, champions = (gate_decision.coverage[name] for name in ("challenger", "champion"))
    rows += [(f"weeks in the {share} % range", own[share], champions[share]) for share in own]
    table = pd.DataFrame(rows, columns=["", "this run's", "the one before"])
    return table.assign(difference=table["this run's"] - table["the one before"])


def _interval(found: WapeDifference) -> str:
    """What the comparison can tell, in points of WAPE."""
    if found.low is None or found.high is None or found.detectable is None:
        return f"The WAPE differs by {_points(found.wape)}; whether that is chance, one window cannot tell."
    if found.low == found.high == 0:
        return "Both models made the same forecasts in all windows, so there is no difference."
    evidence = ""
    if found.weeks and found.effective_weeks:
        evidence = (
            f" The {found.weeks} weeks that were forecast say as much as {found.effective_weeks:.0f} "
            "independent ones"
        )
        if found.weeks_needed and found.weeks_needed > found.weeks:
            needed = f"about {found.weeks_needed} weeks of forecasts"
            evidence += f"; to see a gain of {GAIN:.0%} of the WAPE takes {needed}"
        evidence += "."
    return (
        f"The WAPE differs by {_points(found.wape)}; the 95 % interval goes from {_points(found.low)} to "
        f"{_points(found.high)}. A true difference of {100 * found.detectable:.2f} points would be found "
        f"eight times in ten.{evidence}"
    )


def _points(value: float) -> str:
    return f"{100 * value:+.2f} points"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
