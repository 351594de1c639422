"""Files that several nodes share stay whole, whoever writes them and whatever goes wrong."""

import json
import multiprocessing
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import fsspec
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import skops.io
from kedro.io import DatasetError
from sklearn.linear_model import LinearRegression

from sales_forecast.datasets import (
    CSVTablesDataset,
    ReportDataset,
    ReportSectionDataset,
    SharedJSONDataset,
    SkopsDataset,
    SparkParquetDataset,
)
from sales_forecast.datasets.files import write_whole
from sales_forecast.errors import InputError
from sales_forecast.reporting import PAGES, Chart, Section


def _names(folder: Path) -> list[str]:
    """Files in the folder, without the locks that guard them."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


# --- one file, written whole -----------------------------------------------------------------------


def test_a_file_is_written_with_its_folder(tmp_path):
    write_whole(tmp_path / "a" / "b.txt", "é")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "é".encode()


def test_a_save_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_whole(tmp_path / "b.txt", "old")

    def run_out_of_space(self: Path, target: Path) -> None:
        assert self.read_text() == "new"
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", run_out_of_space)
    with pytest.raises(OSError, match="no space"):
        write_whole(tmp_path / "b.txt", "new")
    assert _names(tmp_path) == ["b.txt"]
    assert (tmp_path / "b.txt").read_text() == "old"


# --- shared JSON -----------------------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path):
    """Make a dataset for one key of the same file."""
    return lambda key: SharedJSONDataset(filepath=str(tmp_path / "shared.json"), key=key)


def test_each_domain_keeps_the_part_of_the_other(shared):
    shared("turnover").save({"best": 127})
    shared("marketing").save({"best": 1})
    shared("turnover").save({"worst": 73})
    assert shared("turnover").load() == {"worst": 73}
    assert shared("marketing").load() == {"best": 1}


def test_a_part_exists_once_it_is_saved(shared):
    assert not shared("turnover").exists()
    shared("marketing").save({})
    assert not shared("turnover").exists()
    assert shared("marketing").exists()


def test_a_part_that_nobody_wrote_is_named_with_its_file(shared):
    with pytest.raises(DatasetError, match=r"shared\.json has no part 'turnover' yet"):
        shared("turnover").load()
    shared("marketing").save({"best": 1})
    with pytest.raises(DatasetError, match=r"shared\.json has no part 'turnover' yet"):
        shared("turnover").load()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: [float("nan")]}])
def test_what_json_does_not_know_is_refused_and_the_file_stays_as_it_was(shared, tmp_path, value):
    shared("turnover").save({"best": 127})
    before = (tmp_path / "shared.json").read_bytes()
    with pytest.raises(DatasetError, match="not JSON compliant"):
        shared("marketing").save({"deep": {"down": value}})
    assert (tmp_path / "shared.json").read_bytes() == before
    assert _names(tmp_path) == ["shared.json"]


def test_the_same_content_gives_the_same_bytes_in_any_order(shared, tmp_path):
    shared("b").save({"y": 1, "x": 2})
    shared("a").save({})
    first = (tmp_path / "shared.json").read_bytes()
    (tmp_path / "shared.json").unlink()
    shared("a").save({})
    shared("b").save({"x": 2, "y": 1})
    assert (tmp_path / "shared.json").read_bytes() == first


def test_threads_that_save_at_the_same_time_lose_nothing(shared, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: shared(f"key {n}").save({"n": n}), range(40)))
    assert json.loads((tmp_path / "shared.json").read_text()) == {f"key {n}": {"n": n} for n in range(40)}


def _save_many(file: str, name: str, together) -> None:
    together.wait()
    for number in range(15):
        SharedJSONDataset(filepath=file, key=f"{name} {number}").save({"number": number})


def test_processes_that_save_at_the_same_time_lose_nothing(tmp_path):
    file, fork = str(tmp_path / "shared.json"), multiprocessing.get_context("fork")
    together = fork.Barrier(2)
    writers = [fork.Process(target=_save_many, args=(file, name, together)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    saved = json.loads((tmp_path / "shared.json").read_text())
    assert saved == {f"{name} {number}": {"number": number} for name in "ab" for number in range(15)}


# --- report ----------------------------------------------------------------------------------------


@pytest.fixture
def report(tmp_path):
    """Make a dataset for one section of the same page."""
    page = str(tmp_path / "report.html")
    return lambda domain, stage: ReportSectionDataset(filepath=page, domain=domain, stage=stage)


def _section(title: str) -> Section:
    return Section(title=title, lead="Said once.", answers=(f"**{title}** is so.",))


def test_a_section_renews_itself_and_leaves_the_others(report, tmp_path):
    report("turnover", "eda").save(_section("Old facts"))
    report("marketing", "eda").save(_section("Budgets"))
    budgets = report("marketing", "eda").load()
    report("turnover", "eda").save(_section("New facts"))

    page = (tmp_path / "report.html").read_text("utf-8")
    assert "New facts" in page
    assert "Budgets" in page
    assert "Old facts" not in page
    assert report("marketing", "eda").load() == budgets
    assert "New facts" in report("turnover", "eda").load()
    assert _names(tmp_path) == ["marketing.eda.html", "report.html", "turnover.eda.html"]


def test_a_domain_completes_the_page_and_leaves_the_sections_of_the_other(report, tmp_path):
    report("turnover", "eda").save(_section("Old facts"))
    report("marketing", "eda").save(_section("Budgets"))
    page = ReportDataset(filepath=str(tmp_path / "report.html"), domain="turnover")

    page.save({"eda": "<h2>New facts</h2>"})

    assert page.exists()
    assert "New facts" in page.load()
    assert "Budgets" in page.load()
    assert "Old facts" not in page.load()


def test_a_section_is_on_the_page_of_its_readers_only(report, tmp_path):
    report("turnover", "eda").save(_section("Facts"))
    report("turnover", "evaluation").save(_section("Errors"))

    managers, data_scientists = ((tmp_path / name).read_text("utf-8") for name in PAGES)
    assert ("Facts</strong> is" in managers, "Errors</strong> is" in managers) == (True, False)
    assert ("Facts</strong> is" in data_scientists, "Errors</strong> is" in data_scientists) == (False, True)


def test_a_page_of_another_name_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="Its pages are report"):
        ReportDataset(filepath=str(tmp_path / "page.html"), domain="turnover")


def test_a_section_that_no_run_has_written_is_empty(report):
    assert report("turnover", "eda").load() == ""


def test_a_section_exists_once_it_is_saved(report):
    assert not report("turnover", "eda").exists()
    report("turnover", "evaluation").save(_section("Errors"))
    assert not report("turnover", "eda").exists()
    assert report("turnover", "evaluation").exists()


def test_a_section_that_cannot_be_rendered_leaves_page_and_section_as_they_were(report, tmp_path):
    report("turnover", "eda").save(_section("Facts"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.html")}
    broken = Section(title="Facts", lead="", blocks=(Chart(go.Figure(), None), "no block"))
    with pytest.raises(DatasetError):
        report("turnover", "eda").save(broken)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.html")} == before


def test_sections_written_at_the_same_time_are_all_on_the_page(report, tmp_path):
    parts = [
        (domain, stage)
        for domain in ("turnover", "marketing")
        for stage in ("eda", "evaluation", "inference")
    ]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda part: report(*part).save(_section(" ".join(part))), parts))
    managers, data_scientists = ((tmp_path / name).read_text("utf-8") for name in PAGES)
    for domain, stage in parts:
        page = data_scientists if stage == "evaluation" else managers
        assert f"<h2>{domain} {stage}</h2>" in page


# --- models ----------------------------------------------------------------------------------------


class Homemade:
    """A type that scikit-learn does not know."""


def test_a_model_comes_back_as_it_went(tmp_path):
    model = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    dataset = SkopsDataset(filepath=str(tmp_path / "models" / "line.skops"))
    assert not dataset.exists()
    dataset.save(model)
    np.testing.assert_allclose(dataset.load().predict([[2.0]]), [5.0])
    assert _names(tmp_path) == ["line.skops"]


def test_a_type_that_is_not_trusted_is_not_loaded(tmp_path):
    dataset = SkopsDataset(filepath=str(tmp_path / "odd.skops"))
    dataset.save(Homemade())
    with pytest.raises(DatasetError, match=r"Homemade"):
        dataset.load()


def test_a_model_that_cannot_be_saved_leaves_the_old_one_and_nothing_else(tmp_path):
    dataset = SkopsDataset(filepath=str(tmp_path / "line.skops"))
    dataset.save(LinearRegression(fit_intercept=False))
    broken = LinearRegression()
    broken.extra = (n for n in range(3))  # a generator cannot be written
    with pytest.raises(DatasetError):
        dataset.save(broken)
    assert dataset.load().fit_intercept is False
    assert _names(tmp_path) == ["line.skops"]


def test_a_model_saved_half_is_dropped(tmp_path, monkeypatch):
    dataset = SkopsDataset(filepath=str(tmp_path / "line.skops"))
    dataset.save(LinearRegression(fit_intercept=False))

    def run_out_of_space(model, file: Path) -> None:
        file.write_bytes(b"PK")
        raise OSError("no space left on device")

    monkeypatch.setattr(skops.io, "dump", run_out_of_space)
    with pytest.raises(DatasetError, match="no space"):
        dataset.save(LinearRegression())
    assert dataset.load().fit_intercept is False
    assert _names(tmp_path) == ["line.skops"]


# --- tables that Spark writes ------------------------------------------------------------------------


class _Table:
    """What of a Spark table the dataset uses; writing breaks halfway if it is told to."""

    def __init__(self, rows: pd.DataFrame, breaks: bool = False) -> None:
        self._rows, self._breaks = rows, breaks
        self.write = self

    def mode(self, _: str) -> "_Table":
        return self

    def parquet(self, uri: str) -> None:
        folder = Path(uri.removeprefix("file://"))
        folder.mkdir()
        self._rows.to_parquet(folder / "part-0.parquet")
        if self._breaks:
            raise RuntimeError("the cluster went away")


def test_a_table_of_spark_takes_the_place_of_the_old_one_only_when_complete(tmp_path):
    dataset = SparkParquetDataset(filepath=str(tmp_path / "panel"), load_as="pandas")
    weeks = pd.DataFrame({"week": pd.to_datetime(["2017-08-05"]).astype("datetime64[us]"), "n": [1]})
    assert not dataset.exists()
    dataset.save(_Table(weeks))
    dataset.save(_Table(weeks.assign(n=2)))
    with pytest.raises(DatasetError, match="the cluster went away"):
        dataset.save(_Table(weeks.assign(n=3), breaks=True))
    assert dataset.load()["n"].tolist() == [2]
    assert str(dataset.load()["week"].dtype) == "datetime64[ns]"
    assert [path.name for path in tmp_path.iterdir()] == ["panel"]


class _TableInStorage(_Table):
    """The same in object storage: Spark writes over the old files, and says last that it is complete."""

    def parquet(self, uri: str) -> None:
        files, folder = fsspec.core.url_to_fs(uri)
        if files.exists(folder):
            files.rm(folder, recursive=True)
        files.makedirs(folder, exist_ok=True)
        self._rows.to_parquet(f"{uri}/part-{len(self._rows)}.parquet")
        if self._breaks:
            raise RuntimeError("the cluster went away")
        files.touch(f"{folder}/_SUCCESS")


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_a_table_of_spark_in_object_storage_is_there_once_it_is_complete(tmp_path, monkeypatch, scheme):
    monkeypatch.chdir(tmp_path)
    url = f"{scheme}://{tmp_path}/shop/panel"
    dataset = SparkParquetDataset(filepath=url, load_as="pandas")
    weeks = pd.DataFrame({"week": pd.to_datetime(["2017-08-05"]), "n": [1]})
    assert not dataset.exists()
    dataset.save(_TableInStorage(weeks))
    assert dataset.load()["n"].tolist() == [1]
    dataset.save(_TableInStorage(pd.concat([weeks, weeks]).assign(n=2)))
    assert dataset.load()["n"].tolist() == [2, 2]
    with pytest.raises(DatasetError, match="the cluster went away"):
        dataset.save(_TableInStorage(weeks, breaks=True))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=f"No such folder: {url}"):
        dataset.load()
    assert {path.name for path in tmp_path.iterdir()} <= {"shop"}, "a URL is no path"


@pytest.mark.skipif(find_spec("s3fs") is None, reason="s3fs is not installed: make s3")
def test_a_bucket_is_written_to_by_its_url():
    written: list[str] = []
    table = SimpleNamespace(parquet=written.append)
    table.write, table.mode = table, lambda _: table
    url = "s3://shop/data/02_intermediate/turnover/spark/sales"
    dataset = SparkParquetDataset(filepath=url)
    dataset.save(table)
    assert written == [url]
    assert dataset._describe()["filepath"] == url


# --- tables of CSV files ---------------------------------------------------------------------------

EVENTS = {"file": "events.csv", "columns": {"store": "Shop", "week": "Week", "event": "Event", "note": None}}


def _tables(folder: Path, **tables: object) -> CSVTablesDataset:
    return CSVTablesDataset(
        folder=str(folder), tables=tables, reading="turnover.read_csv", load_args={"sep": ","}
    )


def test_each_table_is_the_file_that_the_configuration_names(tmp_path):
    (tmp_path / "events.csv").write_text("Shop,Week,Event\n1,2016-01-02,1\n")
    (loaded,) = _tables(tmp_path, events=EVENTS).load().items()
    assert loaded[0] == "events"
    assert loaded[1].to_numpy().tolist() == [[1, "2016-01-02", 1]]
    assert _tables(tmp_path).load() == {}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "events.csv cannot be read: .*turnover.covariate_tables.events.file"),
        (b"Shop,Week\n1,2016-01-02\n", "events.csv: 1 column.s. missing: Event"),
        (b"Shop;Week;Event\n1;2016-01-02;1\n", "events.csv: its columns seem to be separated by ';'"),
        ("Shop,Week,Event\n1,2016-01-02,é\n".encode("cp1252"), "events.csv: the file is not in UTF-8"),
        (b"Shop,Week,Event\n", "events.csv: the file has a header but no rows"),
        (b"", "events.csv cannot be read: No columns to parse"),
    ],
)
def test_a_table_that_cannot_be_read_is_named_with_the_way_out(tmp_path, content, complaint):
    if content is not None:
        (tmp_path / "events.csv").write_bytes(content)
    with pytest.raises(DatasetError) as stopped:
        _tables(tmp_path, events=EVENTS).load()
    assert isinstance(stopped.value.__cause__, InputError)
    assert re.search(complaint, str(stopped.value.__cause__))
