"""Datasets of this project in object storage: the same content as on a disk, whole or not at all."""

import hashlib
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pandas as pd
import pytest
from kedro.io import AbstractDataset, DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Node, Pipeline
from sklearn.linear_model import LinearRegression

from contexts import NO_CALENDAR, NO_COVARIATES
from handovers import selected
from sales_forecast.datasets import (
    CSVTablesDataset,
    FileHashesDataset,
    ModelInputDataset,
    ModelJSONDataset,
    OptionalCSVDataset,
    ReportDataset,
    ReportSectionDataset,
    SharedJSONDataset,
    SkopsDataset,
    WorkbookDataset,
)
from sales_forecast.deliveries.dataset import DeliveryDataset
from sales_forecast.deliveries.delivery import Delivery
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.published_files import KEPT, bring_back_files, keep_published_files, kept_folder
from sales_forecast.reporting import Section
from sales_forecast.reporting.workbook import Sheet

WEEK = pd.Timestamp("2017-10-07")


def pairs(folder: str) -> dict[str, Callable[[], tuple[AbstractDataset, Any]]]:
    """Name -> a dataset in a folder, with something to save; text and numbers, so that it can be compared."""
    panel = pd.DataFrame({"store": [1], "department": ["bikes"], "week": [WEEK], "turnover": [0.1 + 0.2]})
    stores = pd.DataFrame({"store": [1]})
    model = "sales_forecast.pipelines.handovers.SelectedMethod"
    delivery = Delivery(
        id="a1", folder="s3://shop/in", files={}, state="accepted", last_week=date(2017, 9, 30)
    )
    return {
        "shared": lambda: (
            SharedJSONDataset(filepath=f"{folder}/answers.json", key="turnover"),
            {"best": 127},
        ),
        "model": lambda: (
            ModelJSONDataset(filepath=f"{folder}/selected.json", model=model),
            selected("blend"),
        ),
        "skops": lambda: (SkopsDataset(filepath=f"{folder}/line.skops"), LinearRegression(positive=True)),
        "input": lambda: (
            ModelInputDataset(folder=f"{folder}/model_input"),
            ModelInput(panel, stores, NO_CALENDAR, NO_COVARIATES),
        ),
        "workbook": lambda: (
            WorkbookDataset(filepath=f"{folder}/sheet.xlsx"),
            [Sheet("weeks", panel, {"week": "date", "turnover": "money"})],
        ),
        "delivery": lambda: (
            DeliveryDataset(url="sqlite:///no.db", archive="archive", filepath=f"{folder}/delivery.json"),
            delivery,
        ),
    }


@pytest.mark.parametrize("name", pairs(""))
def test_what_is_saved_comes_back_as_from_a_disk(name: str, object_storage: str, tmp_path: Path) -> None:
    loaded = []
    for folder in (object_storage, str(tmp_path)):
        dataset, content = pairs(folder)[name]()
        assert not dataset.exists()
        dataset.save(content)
        assert dataset.exists()
        loaded.append(repr(vars(found)) if hasattr(found := dataset.load(), "__dict__") else repr(found))
    assert loaded[0] == loaded[1]


@pytest.mark.parametrize("name", ["shared", "model", "skops", "workbook"])
def test_a_save_that_fails_leaves_the_old_object(name: str, object_storage: str) -> None:
    dataset, content = pairs(object_storage)[name]()
    dataset.save(content)
    files = fsspec.filesystem("memory")
    before = {path: files.cat_file(path) for path in files.find(object_storage)}
    broken = LinearRegression()
    broken.extra = (n for n in range(3))  # a generator cannot be written
    unfit = {"shared": {"bad": float("nan")}, "model": {}, "skops": broken, "workbook": 2 * [content]}
    with pytest.raises(DatasetError):
        dataset.save(unfit[name])
    assert {path: files.cat_file(path) for path in files.find(object_storage)} == before


def test_each_domain_keeps_the_part_and_the_section_of_the_other(object_storage: str) -> None:
    page = f"{object_storage}/report.html"
    for domain in ("turnover", "marketing"):
        SharedJSONDataset(filepath=f"{object_storage}/answers.json", key=domain).save({"of": domain})
        section = ReportSectionDataset(filepath=page, domain=domain, stage="eda")
        assert section.load() == ""
        section.save(Section(title=domain, lead="Facts of it", blocks=()))
        assert "Facts of it" in section.load()
    of_turnover = ReportDataset(filepath=page, domain="turnover")
    of_turnover.save({"eda": "<h2>New facts</h2>"})
    assert "New facts" in of_turnover.load()
    assert "marketing" in of_turnover.load()
    content = fsspec.filesystem("memory").cat_file(f"{object_storage}/answers.json")
    assert json.loads(content) == {"turnover": {"of": "turnover"}, "marketing": {"of": "marketing"}}


def test_raw_files_are_read_and_digested(object_storage: str) -> None:
    content = b"store,week,event\n1,2016-01-02,1\n"
    with fsspec.open(f"{object_storage}/events.csv", "wb") as file:
        file.write(content)
    columns = {name: name for name in ("store", "week", "event")}
    tables = {"events": {"file": "events.csv", "columns": columns}}
    hashes = FileHashesDataset(folder=object_storage, files={"sales": None}, tables=tables)
    assert hashes.exists()
    assert hashes.load() == {"events": hashlib.sha256(content).hexdigest()}
    rows = [[1, "2016-01-02", 1]]
    found = CSVTablesDataset(folder=object_storage, tables=tables, reading="turnover.read_csv")
    assert found.exists()
    assert found.load()["events"].to_numpy().tolist() == rows
    optional = OptionalCSVDataset(file="events.csv", filepath=f"{object_storage}/events.csv")
    assert optional.exists()
    assert optional.load().to_numpy().tolist() == rows


def test_files_of_a_publication_are_kept_and_come_back(object_storage: str) -> None:
    root, made = f"{object_storage}/data", [*KEPT["marketing"], "marketing.publication"]
    places = {name: f"{root}/08_reporting/{name}.txt" for name in KEPT["marketing"]}
    entries = {name: {"type": "text.TextDataset", "filepath": place} for name, place in places.items()}
    catalog = DataCatalog.from_config(entries)
    catalog["marketing.publication"] = MemoryDataset(SimpleNamespace(id=3), copy_mode="assign")
    pipeline = Pipeline([Node(lambda: None, None, made, name="publish")])
    for text in ("published", "of a later run"):
        for name in places:
            catalog.save(name, text)
        keep_published_files(pipeline, catalog, root)
    assert bring_back_files(3, root) == len(places)
    assert {catalog.load(name) for name in places} == {"published"}
    assert bring_back_files(4, root) == 0
    assert kept_folder(root, 3) == f"{root}/publications/3"
