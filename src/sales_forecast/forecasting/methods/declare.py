"""Declaration of methods in parameters and model files, by a short name or a dotted path."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from inspect import isabstract
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    JsonValue,
    RootModel,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import to_jsonable_python

from sales_forecast.errors import InputError
from sales_forecast.forecasting.methods.base import Method, Requirements

_METHODS = "sales_forecast.forecasting.methods"

TYPES = {
    "seasonal_naive": f"{_METHODS}.naive.SeasonalNaive",
    "growth_naive": f"{_METHODS}.naive.GrowthNaive",
    "ridge": f"{_METHODS}.ridge.Ridge",
    "lightgbm": f"{_METHODS}.boosting.LightGBM",
    "hist_gradient_boosting": f"{_METHODS}.boosting.HistGradientBoosting",
    "blend": f"{_METHODS}.blend.Blend",
    "by_history": f"{_METHODS}.by_history.ByHistory",
    "prefitted": "sales_forecast.forecasting.distributed.Prefitted",
}
"""Short name of each method of this project -> its class. Models store the name, so the class may move."""


Declaration = dict[str, JsonValue]
"""A method as parameters declare it: its ``type`` and its options, other methods among them."""

OWN_PACKAGE = "sales_forecast.forecasting."
"""Dotted paths that begin so are of this project."""


@dataclass(frozen=True)
class AllowedMethods:
    """Modules that a model file may name classes of, as pydantic's validation context.

    Importing a module runs its code. The file of a model comes from elsewhere, so it may name the methods of
    this project, and those of modules that the configuration names, and nothing else is imported. Parameters
    are validated without a context: they are the configuration.

    Args:
        modules: Dotted paths of modules, such as ``my_methods``; modules below them are not included.
    """

    modules: frozenset[str] = frozenset()

    def refuse(self, path: str) -> None:
        """Refuse a dotted path in another module, without importing it.

        Raises:
            ValueError: Names the path, and where its module has to be named.
        """
        module = path.rpartition(".")[0]
        if not path.startswith(OWN_PACKAGE) and module not in self.modules:
            raise ValueError(
                f"'{path}' is not imported: the configuration does not name the module '{module}'. If it is "
                "yours, add it to models.method_modules in globals.yml"
            )


def refuse_in_model_file(path: str, info: ValidationInfo) -> None:
    """Refuse a dotted path that a model file may not name; parameters may name any.

    Args:
        path: Of a class or a function that would be imported.
        info: What pydantic knows of the validation under way.

    Raises:
        ValueError: The file may not name it.
    """
    if isinstance(info.context, AllowedMethods):
        info.context.refuse(path)


def _load(declared: object, info: ValidationInfo) -> object:
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
    refuse_in_model_file(path, info)
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"cannot import '{path}': {error}") from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ValueError(f"'{path}' is no subclass of {Method.__module__}.{Method.__name__}")
    if isabstract(found):
        raise ValueError(f"'{path}' is an abstract class; name a method that can forecast")
    return found.model_validate(options, context=info.context)


def _suggest(path: str) -> str:
    """The short name of the class that an old dotted path ended with, else the path itself."""
    name = path.rpartition(".")[2]
    return next((short for short, where in TYPES.items() if where.rpartition(".")[2] == name), path)


def declare(method: Method) -> Declaration:
    """Write a method as parameters declare it, in values that JSON can hold."""
    cls = type(method)
    path = f"{cls.__module__}.{cls.__qualname__}"
    kind = next((short for short, where in TYPES.items() if where == path), path)
    return {"type": kind} | {name: _declared(getattr(method, name)) for name in cls.model_fields}


def _declared(option: object) -> JsonValue:
    if isinstance(option, Method):
        return declare(option)
    if isinstance(option, dict):
        return {name: _declared(one) for name, one in option.items()}
    plain: JsonValue = to_jsonable_python(option)
    return plain


AnyMethod = Annotated[SerializeAsAny[Method], BeforeValidator(_load)]
"""A method as parameters declare it."""


class OwnMethodsParams(BaseModel, frozen=True, extra="forbid"):
    """Modules of methods that are not of this project, whose classes registered models may name."""

    modules: tuple[str, ...] = ()


RESERVED = {"selected", "headline"}
"""Keys of ``metrics.json`` that are not names of methods."""


class Methods(RootModel[dict[str, AnyMethod]], frozen=True):
    """The candidate methods by their names."""

    @model_validator(mode="after")
    def _names_that_metrics_can_carry(self) -> Methods:
        if taken := RESERVED & set(self.root):
            raise ValueError(f"turnover.methods: a method cannot be called {', '.join(sorted(taken))}")
        return self

    def refuse_unnamed_modules(self, own: OwnMethodsParams) -> None:
        """Refuse methods that a registered model could not be loaded with again.

        Args:
            own: Modules that registered models may name.

        Raises:
            InputError: Names the first method, or option of one, that leads to another module.
        """
        declared = {name: declare(method) for name, method in self.root.items()}
        try:
            Methods.model_validate(declared, context=AllowedMethods(frozenset(own.modules)))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join(map(str, ("turnover", "methods", *first["loc"])))
            what = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{path}: a model with it could not be loaded again: {what}") from error

    def refuse_problems(self, requirements: Requirements) -> None:
        """Refuse options that cannot work.

        Args:
            requirements: Horizons and columns that the methods have to serve.

        Raises:
            InputError: Names each impossible option with its path in the parameters; the same one of several
                methods once, with the paths of all.
        """
        paths: dict[tuple[str, str], list[str]] = {}
        for name, method in self.root.items():
            for path, what in method.problems(requirements):
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
