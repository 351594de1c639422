"""Names that users may still have from before a renaming, and the one message that gives the new ones.

``CHANGELOG.md`` lists the same names. A new renaming is a new row here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from yaml import YAMLError

try:
    from yaml import CSafeLoader as Loader  # ten times as fast, where PyYAML was built with libyaml
except ImportError:
    from yaml import SafeLoader as Loader

from sales_forecast.errors import InputError

PARAMETERS = {
    "turnover.hidden_history": "turnover.cold_start_backtest",
    "turnover.methods.blend.enough": "turnover.methods.blend",
    "turnover.promotion": "turnover.gate",
    "turnover.ranges": "turnover.intervals",
    "turnover.read.columns.targets": "turnover.read.columns.forecast_index",
    "turnover.read.files.targets": "turnover.read.files.forecast_index",
    "turnover.read.known_ahead": "turnover.read.future_covariates",
    "turnover.workers": "turnover.fitting",
    "marketing.curve.range_share": "marketing.curve.interval_share",
}
"""Path of a parameter, or of a group of them -> its path now."""

VALUES = {
    ("turnover.workers.engine", "here"): "local",
    ("turnover.fitting.engine", "here"): "local",
}
"""Path of a parameter and its value -> the value now."""

REMOVED = {
    "turnover.intervals.weeks_back": "turnover.intervals has the weight of every past window",
    "turnover.methods.blend.enough_weeks": "past windows decide which members count",
    "turnover.methods.blend.short": "its members are among those of turnover.methods.blend",
} | dict.fromkeys(
    (
        "turnover.evaluation.bootstrap_draws",
        "turnover.evaluation.seed",
        "turnover.gate.bootstrap_draws",
        "turnover.gate.seed",
        "marketing.gate",
        "marketing.promotion",
    ),
    "differences are no longer judged by a bootstrap",
)
"""Path of a parameter, or of a group of them, that exists no more -> why."""

GLOBALS = {
    "turnover.columns.targets": "turnover.columns.forecast_index",
    "turnover.files.targets": "turnover.files.forecast_index",
}
"""Path in ``globals.yml`` -> its path now."""

DATASETS = {
    "turnover.cold_widths": "turnover.cold_start_half_widths",
    "turnover.defender": "turnover.champion",
    "turnover.defender_backtest": "turnover.champion_backtest",
    "turnover.hidden_forecasts": "turnover.cold_start_forecasts",
    "turnover.known_ahead": "turnover.future_covariates",
    "turnover.level_widths": "turnover.level_half_widths",
    "turnover.promotion": "turnover.gate_decision",
    "turnover.raw_targets": "turnover.raw_forecast_index",
    "turnover.reasons": "turnover.attributions",
    "turnover.reasons_chart": "turnover.attributions_chart",
    "turnover.targets": "turnover.forecast_index",
    "turnover.young_stores_table": "turnover.cold_start_table",
    "marketing.defender": "marketing.champion",
    "marketing.promotion": "marketing.gate_decision",
    "{lane}.answers": "{domain}.answers",
    "{lane}.metrics": "{domain}.metrics",
    "{lane}.promotion": "turnover.gate_decision and marketing.gate_decision",
    "{lane}.publication": "{domain}.publication",
    "{lane}.{chart}_chart": "{domain}.{chart}_chart",
    "{lane}.{stage}_report": "{domain}.{stage}_report",
    "{lane}.{table}_table": "{domain}.{table}_table",
}
"""Entry of the catalog -> its name now."""

SELECTED = {"turnover.champion": "turnover.selected_method"}
"""Entry of the catalog that was the best method of a run -> its name now; the old name is the registry's."""

NODES = {
    "turnover.data_processing.gather_known_ahead": "turnover.data_processing.gather_future_covariates",
    "turnover.data_processing.read_targets": "turnover.data_processing.read_forecast_index",
    "turnover.evaluation.choose_champion": "turnover.evaluation.select_method",
    "turnover.evaluation.cold_widths": "turnover.evaluation.cold_start_half_widths",
    "turnover.evaluation.compare_with_champion": "turnover.evaluation.compare_with_selected",
    "turnover.evaluation.hide_history": "turnover.evaluation.backtest_cold_starts",
    "turnover.evaluation.range_sums": "turnover.evaluation.learn_hierarchy_intervals",
    "turnover.evaluation.score_young_stores": "turnover.evaluation.score_cold_starts",
    "turnover.inference.chart_reasons": "turnover.inference.chart_attributions",
    "turnover.inference.forecast_targets": "turnover.inference.make_forecasts",
    "turnover.registration.backtest_defender": "turnover.registration.backtest_champion",
    "turnover.registration.decide_promotion": "turnover.registration.decide_deployment",
    "turnover.registration.fit_best": "turnover.registration.fit_selected",
    "turnover.registration.report_turnover_promotion": "turnover.registration.report_turnover_gate",
    "marketing.registration.decide_promotion": "marketing.registration.decide_deployment",
    "marketing.registration.report_budget_promotion": "marketing.registration.report_budget_gate",
}
"""Name of a node -> its name now."""

REGISTRY_TYPE = "sales_forecast.registry.dataset.RegistryDataset"

_OPTIONS: dict[str, tuple[str, Mapping[str, str]]] = {
    "node_names": ("--nodes", NODES),
    "from_nodes": ("--from-nodes", NODES),
    "to_nodes": ("--to-nodes", NODES),
    "from_inputs": ("--from-inputs", DATASETS),
    "to_outputs": ("--to-outputs", DATASETS | SELECTED),
    "load_versions": ("--load-versions", DATASETS | SELECTED),
}
"""Option of ``kedro run`` inside click -> how it is typed, and the names that it may get."""


class RenamedHooks:
    """Kedro calls these by name."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Stop before anything is done if the configuration or the command line has an old name.

        Raises:
            InputError: Lists each old name, where it is and its new name.
        """
        call = click.get_current_context(silent=True)
        if isinstance(context.config_loader, OmegaConfigLoader):
            refuse_old_names(context.config_loader, call.params if call else {})


def refuse_old_names(loader: OmegaConfigLoader, options: Mapping[str, Any] | None = None) -> None:
    """Stop if a name that has changed is still in use.

    Args:
        loader: Loader of the project's configuration.
        options: Options of ``kedro run`` by their names inside click.

    Raises:
        InputError: Lists each old name, where it is and its new name.
    """
    found = [
        *_in_files(loader),
        *(f"--params: {words}" for words in _parameters(dict(loader.runtime_params or {}))),
        *old_names_in_options(options or {}),
    ]
    if found:
        raise InputError(
            "\n".join(
                [f"{len(found)} name(s) in use have changed:", *found, "CHANGELOG.md lists all of them."]
            )
        )


def _in_files(loader: OmegaConfigLoader) -> Iterator[str]:
    """Old names in the files of the base environment and of the one that is run."""
    checks = {"parameters": _parameters, "globals": _globals, "catalog": _datasets}
    root = Path(loader.conf_source)
    for env in dict.fromkeys((loader.base_env, loader.env or loader.default_run_env)):
        for kind, check in checks.items():
            for path in _files(root / str(env), loader.config_patterns[kind]):
                for words in check(_content(path)):
                    yield f"{root.name}/{path.relative_to(root).as_posix()}: {words}"


def _files(folder: Path, patterns: Iterable[str]) -> list[Path]:
    whole = [f"{pattern}/*" if pattern.endswith("**") else pattern for pattern in patterns]
    found = {path for pattern in whole for path in folder.glob(pattern)}
    return sorted(path for path in found if path.is_file() and path.suffix in {".yml", ".yaml", ".json"})


def _content(path: Path) -> dict[str, Any]:
    """The file as it is written; nothing where it cannot be read, which Kedro says better."""
    try:
        content = yaml.load(path.read_bytes(), Loader)
    except (YAMLError, OSError):
        return {}
    return {str(name): value for name, value in content.items()} if isinstance(content, dict) else {}


def _paths(tree: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    """Every group and value with its path."""
    for name, value in tree.items():
        path = f"{group}{name}"
        yield path, value
        if isinstance(value, dict):
            yield from _paths(value, f"{path}.")


def _parameters(tree: Mapping[str, Any]) -> Iterator[str]:
    for path, value in _paths(tree):
        if path in PARAMETERS:
            yield _now(path, PARAMETERS[path])
        if path in REMOVED:
            yield f"'{path}' exists no more, as {REMOVED[path]}: leave it out"
        if isinstance(value, str) and (path, value) in VALUES:
            yield f"the value '{value}' of {path} is now '{VALUES[path, value]}'"


def _globals(tree: Mapping[str, Any]) -> Iterator[str]:
    return (_now(path, GLOBALS[path]) for path, _ in _paths(tree) if path in GLOBALS)


def _datasets(catalog: Mapping[str, Any]) -> Iterator[str]:
    for name, entry in catalog.items():
        if name in DATASETS:
            yield _now(name, DATASETS[name])
        elif name in SELECTED and isinstance(entry, dict) and entry.get("type", "") != REGISTRY_TYPE:
            yield f"the best method of a run is now in {SELECTED[name]}; {name} is the version that serves"


def old_names_in_options(options: Mapping[str, Any]) -> Iterator[str]:
    """Old names among what ``kedro run`` is asked to run."""
    for option, (typed, renamed) in _OPTIONS.items():
        given = options.get(option) or ()
        names = [name.strip() for name in (given.split(",") if isinstance(given, str) else given)]
        yield from (f"{typed}: {_now(name, renamed[name])}" for name in names if name in renamed)


def _now(old: str, new: str) -> str:
    return f"'{old}' is now '{new}'"
