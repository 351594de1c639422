"""Guards over the whole lineage, without running it."""

import os
from pathlib import Path

import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_viz.data_access.managers import DataAccessManager

from projects import REPOSITORY

OF_BOTH = ["data_processing", "eda_reporting", "modelling", "evaluation", "registration", "inference"]
STAGES = [*OF_BOTH, "monitoring"]
LAYERS = ["raw", "intermediate", "primary", "model_input", "models", "model_output", "reporting"]


@pytest.fixture(scope="module")
def catalog() -> DataCatalog:
    bootstrap_project(REPOSITORY)
    with KedroSession.create(REPOSITORY) as session:
        return session.load_context().catalog


def crossings_in_memory(stages: dict[str, Pipeline], catalog: DataCatalog) -> set[str]:
    """Datasets that one stage writes and another reads, and that no file keeps."""
    crossing = {
        name
        for stage, pipeline in stages.items()
        for name in pipeline.outputs() | pipeline.all_outputs()
        if any(name in other.inputs() for key, other in stages.items() if key != stage)
    }
    return {name for name in crossing if isinstance(catalog.get(name), MemoryDataset | None)}


@pytest.mark.xdist_group("session")
def test_whatever_crosses_a_stage_is_written_down(catalog: DataCatalog) -> None:
    stages = {name: pipelines[name] for name in (*STAGES, "monitoring")}
    assert crossings_in_memory(stages, catalog) == set()


@pytest.mark.xdist_group("session")
def test_the_guard_bites(catalog: DataCatalog) -> None:
    def same(table: object) -> object:
        return table

    stages = {
        "one": Pipeline([Node(same, "turnover.panel", "unwritten", name="a")]),
        "two": Pipeline([Node(same, "unwritten", "turnover.scores", name="b")]),
    }
    assert crossings_in_memory(stages, catalog) == {"unwritten"}


@pytest.mark.xdist_group("session")
def test_every_dataset_of_the_run_has_a_file_and_a_layer(catalog: DataCatalog) -> None:
    names = [name for name in pipelines["__default__"].datasets() if not name.startswith("params:")]
    assert len(names) > 50
    for name in names:
        dataset = catalog.get(name)
        assert dataset is not None, name
        assert not isinstance(dataset, MemoryDataset), name
        assert dataset.metadata["kedro-viz"]["layer"], name


@pytest.mark.xdist_group("session")
def test_the_default_run_is_all_stages_of_both_domains(catalog: DataCatalog) -> None:
    run = pipelines["__default__"]
    assert sum(len(pipelines[stage].nodes) for stage in STAGES) == len(run.nodes)
    assert {node.namespace.split(".")[0] for node in run.nodes} == {"turnover", "marketing"}
    assert {node.namespace.split(".")[1] for node in run.nodes} == set(STAGES)


@pytest.mark.xdist_group("session")
def test_nodes_are_called_like_their_functions(catalog: DataCatalog) -> None:
    nodes = pipelines["__default__"].nodes
    assert len(nodes) > 50
    for node in nodes:
        assert node.name.split(".")[-1] == node.func.__name__


@pytest.mark.xdist_group("session")
@pytest.mark.parametrize("stage", [*STAGES, "monitoring", "tuning"])
def test_nodes_are_tagged_with_their_domain_and_stage(catalog: DataCatalog, stage: str) -> None:
    for node in pipelines[stage].nodes:
        assert {(node.namespace or "").split(".")[0], stage} <= node.tags
    with_tag = pipelines["__default__"].only_nodes_with_tags(stage)
    assert {node.name for node in with_tag.nodes} == (
        {node.name for node in pipelines[stage].nodes} if stage in STAGES else set()
    )


@pytest.fixture(scope="module")
def lineage(catalog: DataCatalog) -> DataAccessManager:
    """What kedro-viz shows, from the project's pipelines and catalog."""
    lineage = DataAccessManager()
    lineage.add_catalog(catalog, dict(pipelines))
    lineage.add_pipelines(dict(pipelines))
    return lineage


def shown(lineage: DataAccessManager, box: str) -> set[str]:
    """Names of what stands inside a box of the lineage; ``__root__`` is all that is seen when it is opened."""
    tree = lineage.create_modular_pipelines_tree_for_registered_pipeline("__default__")
    nodes = {node.id: node for node in lineage.get_nodes_for_registered_pipeline("__default__")}
    inside = [nodes[child.id] for child in tree[box].children]
    return {node.name or node.id for node in inside if node.type != "parameters"}


@pytest.mark.xdist_group("session")
def test_the_lineage_opens_with_inputs_two_boxes_and_the_results_that_matter(
    lineage: DataAccessManager,
) -> None:
    run = pipelines["__default__"]
    inputs = {name for name in run.inputs() if not name.startswith("params:")}
    results = {
        "report",
        "data_science_report",
        "publication",
        "monitored",
        "monitoring_report",
        "drift_report",
        "planner_sheet",
        "staffing_plan",
        "answers",
        "metrics",
    }

    seen = shown(lineage, "__root__")

    assert seen == inputs | {"turnover", "marketing"} | run.outputs()
    assert len(seen) <= 28
    assert {name.split(".")[1] for name in run.outputs()} <= results


@pytest.mark.xdist_group("session")
@pytest.mark.parametrize(("domain", "most"), [("turnover", 27), ("marketing", 19)])
def test_an_opened_domain_shows_its_stages_and_what_they_hand_over(
    lineage: DataAccessManager, domain: str, most: int
) -> None:
    seen = shown(lineage, domain)

    assert {f"{domain}.{stage}" for stage in (STAGES if domain == "turnover" else OF_BOTH)} <= seen
    assert len(seen) <= most


@pytest.mark.xdist_group("session")
@pytest.mark.parametrize("pipeline", ["__default__", *STAGES, "monitoring", "tuning"])
def test_the_layers_have_an_order(lineage: DataAccessManager, pipeline: str) -> None:
    """Kedro-viz switches layers off where a later one leads back to an earlier one."""
    lineage.create_modular_pipelines_tree_for_registered_pipeline(pipeline)  # adds the boxes' own edges

    layers = lineage.get_sorted_layers_for_registered_pipeline(pipeline)

    assert set(layers) == set(LAYERS)
    if pipeline == "__default__":
        assert layers == LAYERS


@pytest.mark.xdist_group("session")
def test_a_dataset_that_leads_back_to_an_earlier_layer_is_found(catalog: DataCatalog) -> None:
    def same(table: object) -> object:
        return table

    way_back = Pipeline(
        [
            Node(same, "turnover.backtest", "turnover.sports_table", name="forth"),
            Node(same, "turnover.sports_table", "turnover.model", name="back"),
        ]
    )
    lineage = DataAccessManager()
    lineage.add_catalog(catalog, {"__default__": way_back})
    lineage.add_pipelines({"__default__": way_back})
    assert lineage.get_sorted_layers_for_registered_pipeline("__default__") == []


def test_secrets_and_machines_are_not_in_the_configuration() -> None:
    files = list(Path(REPOSITORY, "conf").rglob("*.yml"))
    assert len(files) > 5
    for path in files:
        text = path.read_text()
        assert "password" not in text.lower(), path
        assert os.fspath(REPOSITORY) not in text, path
