"""Turnover: the options of a method that tuning changes, found by their paths."""

from __future__ import annotations

from typing import Any

from narwhals.typing import IntoFrame

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.backtest import BacktestParams
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.declare import Methods, declare
from sales_forecast.pipelines.handovers import Options
from sales_forecast.pipelines.known_weeks import known_weeks
from sales_forecast.pipelines.tuning.params import TurnoverTuningParams
from sales_forecast.pipelines.tuning.turnover_windows import plan_tuning

Declared = dict[str, Any]
"""A method as the parameters declare it: options of any type, other methods among them."""


def check_tuning(
    sales: IntoFrame, backtest: BacktestParams, methods: Methods, tuning: TurnoverTuningParams
) -> None:
    """Refuse what cannot work before anything is computed.

    Args:
        sales: For its weeks.
        backtest: Windows that tuning must not see.
        methods: Candidates.
        tuning: What is tried, and where.

    Raises:
        InputError: A window touches one that judges, the history is too short, or a method or option does
            not exist.
    """
    plan_tuning(known_weeks(sales), backtest, tuning)
    if tuning.method not in methods.root:
        raise InputError(
            f"turnover.tuning.method: '{tuning.method}' is not among turnover.methods: "
            f"{', '.join(sorted(methods.root))}"
        )
    with_options(methods.root[tuning.method], tuning, {name: span.low for name, span in tuning.space.items()})


def with_options(method: Method, tuning: TurnoverTuningParams, options: Options) -> Method:
    """The method with other values of some options.

    Raises:
        InputError: A path leads to no method, or a method has no such option.
    """
    declared = declare(method)
    for name, value in options.items():
        for path in tuning.space[name].of:
            _options_at(declared, path, name)[name] = int(value) if tuning.space[name].whole else value
    return Methods({tuning.method: declared}).root[tuning.method]


def present_options(method: Method, tuning: TurnoverTuningParams) -> dict[str, float]:
    """The values that the method has for the options to be tuned.

    Raises:
        InputError: A path leads to no method, or a method has no such option.
    """
    declared = declare(method)
    return {name: float(_options_at(declared, span.of[0], name)[name]) for name, span in tuning.space.items()}


def _options_at(declared: Declared, path: str, option: str) -> Declared:
    """The part of a declared method that has an option, named by its path."""
    part: object = declared
    for name in path.split("."):
        part = part.get(name) if isinstance(part, dict) else None
    if not isinstance(part, dict) or option not in part:
        raise InputError(f"turnover.tuning.space.{option}: there is no option '{option}' at '{path}'")
    return part
