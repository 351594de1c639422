"""How parameters and model files declare a method, by a short name or a dotted path."""

from __future__ import annotations

from importlib import import_module
from inspect import isabstract
from typing import Annotated, Any

from pydantic import BeforeValidator, RootModel, SerializeAsAny, model_validator

from sales_forecast.errors import InputError
from sales_forecast.forecasting.methods.base import Method, Needs

_METHODS = "sales_forecast.forecasting.methods"

TYPES = {
    "seasonal_naive": f"{_METHODS}.naive.SeasonalNaive",
    "growth_naive": f"{_METHODS}.naive.GrowthNaive",
    "ridge": f"{_METHODS}.ridge.Ridge",
    "lightgbm": f"{_METHODS}.boosting.LightGBM",
    "hist_gradient_boosting": f"{_METHODS}.boosting.HistGradientBoosting",
    "blend": f"{_METHODS}.blend.Blend",
    "by_history": f"{_METHODS}.blend.ByHistory",
    "prefitted": "sales_forecast.forecasting.distributed.Prefitted",
}
"""Short name of each method of this project -> where its class is. Models keep the name, so the class may move."""


def _load(declared: Any) -> Any:
    """Turn ``{type: name or dotted path, option: value}`` into the method that it declares."""
    if not isinstance(declared, dict):
        return declared
    options = dict(declared)
    if "class" in options:
        raise ValueError(
            f"'class' is now called 'type', and methods of this project have short names: "
            f"type: {_suggest(str(options['class']))}"
        )
    kind = options.pop("type", None)
    path = TYPES.get(kind, kind) if isinstance(kind, str) else None
    if path is None or "." not in path or path.startswith("."):
        raise ValueError(
            "needs 'type', the name of a forecasting method or the dotted path of your own; there are "
            f"{', '.join(sorted(TYPES))}"
        )
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"cannot import '{path}': {error}") from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ValueError(f"'{path}' is no subclass of {Method.__module__}.{Method.__name__}")
    if isabstract(found):
        raise ValueError(f"'{path}' is what methods have in common; name one that can forecast")
    return found(**options)


def _suggest(path: str) -> str:
    """The short name of the class that an old dotted path ended with, else the path itself."""
    name = path.rpartition(".")[2]
    return next((short for short, where in TYPES.items() if where.rpartition(".")[2] == name), path)


def declare(method: Method) -> dict[str, Any]:
    """Write a method as parameters declare it."""

    def plain(value: Any) -> Any:
        if isinstance(value, Method):
            return declare(value)
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        return value

    cls = type(method)
    path = f"{cls.__module__}.{cls.__qualname__}"
    kind = next((short for short, where in TYPES.items() if where == path), path)
    return {"type": kind} | {name: plain(getattr(method, name)) for name in cls.model_fields}


AnyMethod = Annotated[SerializeAsAny[Method], BeforeValidator(_load)]
"""A method as parameters declare it."""


RESERVED = {"selected", "headline"}
"""Keys of ``metrics.json`` beside the methods."""


class Methods(RootModel[dict[str, AnyMethod]], frozen=True):
    """The candidates: a short name -> the method."""

    @model_validator(mode="after")
    def _names_that_metrics_can_carry(self) -> Methods:
        if taken := RESERVED & set(self.root):
            raise ValueError(f"turnover.methods: a method cannot be called {', '.join(sorted(taken))}")
        return self

    def refuse_problems(self, needs: Needs) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: Names each impossible option with its path in the parameters; the same one of several
                methods once, with the paths of all.
        """
        paths: dict[tuple[str, str], list[str]] = {}
        for name, method in self.root.items():
            for path, what in method.problems(needs):
                paths.setdefault((path.rpartition(".")[2], what), []).append(
                    f"turnover.methods.{name}.{path}"
                )
        if paths:
            raise InputError(
                "\n".join(
                    f"{first}: {what}" + (f" (as in {', '.join(others)})" if others else "")
                    for (_, what), (first, *others) in paths.items()
                )
            )
