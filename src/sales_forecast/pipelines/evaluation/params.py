"""Typed parameters of the evaluation stage."""

from __future__ import annotations

from pydantic import Field

from sales_forecast.errors import InputError
from sales_forecast.pipelines.params import Params


class TurnoverEvaluationParams(Params):
    """What the candidates are measured against."""

    baseline: str

    tie_within: float = Field(ge=0)
    """Methods whose WAPE exceeds the lowest by at most this share may be taken for equals."""

    def check_candidates(self, methods: list[str]) -> None:
        """Refuse a baseline that was not backtested."""
        if self.baseline not in methods:
            raise InputError(
                f"turnover.evaluation.baseline: '{self.baseline}' is not among the methods of the backtest: "
                f"{', '.join(sorted(methods))}. Name one of them, or run the modelling stage again."
            )
