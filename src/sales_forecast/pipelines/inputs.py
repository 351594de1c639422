"""Which datasets and parameters a node reads, as its function's signature says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import BaseModel

from sales_forecast.forecasting.methods.declare import Methods


def inputs_of(function: Callable[..., Any], renamed: Mapping[str, str]) -> list[str]:
    """Name the input of a node for each parameter of its function.

    A parameter reads the dataset of its own name, or the group of parameters of its own name if its type
    hint is a class of parameters.

    Args:
        function: Function of the node.
        renamed: Parameter -> dataset or ``params:`` name, where the two are not equal.

    Raises:
        TypeError: The function has no parameter of a name under ``renamed``.
    """
    names = list(inspect.signature(function).parameters)
    if unknown := sorted(set(renamed) - set(names)):
        raise TypeError(
            f"{function.__name__} has no parameter {', '.join(unknown)}; it has {', '.join(names)}"
        )
    hints = get_type_hints(function)
    return [renamed.get(name, f"params:{name}" if _is_parameters(hints[name]) else name) for name in names]


def _is_parameters(hint: object) -> bool:
    """Whether a type hint is a class of parameters: ``Methods``, or a model whose name ends in ``Params``."""
    if not (isinstance(hint, type) and issubclass(hint, BaseModel)):
        return False
    return hint is Methods or hint.__name__.endswith("Params")
