"""What happens around a run, on catalogs of two or three datasets and without a Kedro session."""

import errno
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pandas as pd
import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner, ThreadRunner

from sales_forecast.errors import InputError
from sales_forecast.hooks import (
    CHECKED_FIRST,
    ProjectHooks,
    check_inputs,
    check_load_versions,
    summarise,
)
from sales_forecast.progress import ProgressHooks
from sales_forecast.save_hooks import SaveHooks
from sales_forecast.tracking import code_version, does_not_answer, flatten

OLD = pd.DataFrame({"turnover": [1.0]})
NEW = pd.DataFrame({"turnover": [2.0]})
UNFIT = pd.DataFrame({"turnover": [1.0, "two"]})  # parquet has no type for a column of both


class Shop:
    """A project's data folder, with the hooks registered as Kedro does it."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        self.folder = folder
        self._temporary = temporary
        self.hooks = _create_hook_manager()
        self.hooks.register(ProjectHooks())
        self.hooks.register(SaveHooks())
        context = SimpleNamespace(config_loader={"globals": {"data_root": "data"}})
        self.hooks.hook.after_context_created(context=context)

    def catalog(self, **formats: str) -> DataCatalog:
        """Make a catalog: name of a dataset -> its format."""
        types = {"parquet": "pandas.ParquetDataset", "json": "json.JSONDataset", "csv": "pandas.CSVDataset"}
        return DataCatalog.from_config(
            {
                name: {"type": types[format_], "filepath": self.path(name, format_).as_posix()}
                for name, format_ in formats.items()
            }
        )

    def path(self, name: str, format_: str) -> Path:
        return self.folder / f"{name}.{format_}"

    def run(self, catalog: DataCatalog, *nodes: Node, runner=SequentialRunner, **options) -> None:
        """Run the nodes, and report an error to the hooks as a session does."""
        pipeline = Pipeline(nodes)
        try:
            runner(**options).run(pipeline, catalog, self.hooks)
        except Exception as error:
            self.hooks.hook.on_pipeline_error(error=error, run_params={}, pipeline=pipeline, catalog=catalog)
            raise

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def leftovers(self) -> list[Path]:
        return list(self._temporary.iterdir())


@pytest.fixture
def shop(tmp_path, tmp_path_factory, monkeypatch) -> Shop:
    """A shop whose temporary files can be counted."""
    folder, temporary = tmp_path / "data", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(tmp_path_factory.mktemp("project"))  # where the lock of a run is
    return Shop(folder, temporary)


def _make(outputs: str | list[str], *values: object, name: str = "make") -> Node:
    """A node that gives these values."""
    return Node(lambda: values[0] if isinstance(outputs, str) else values, None, outputs, name=name)


# --- outputs are written whole -----------------------------------------------------------------------


def test_a_good_save_is_there_at_once_and_leaves_nothing_else(shop):
    catalog = shop.catalog(panel="parquet")
    shop.run(catalog, _make("panel", NEW))
    pd.testing.assert_frame_equal(catalog.load("panel"), NEW)
    assert shop.files() == ["panel.parquet"]
    assert shop.leftovers() == []


def test_a_save_that_fails_leaves_the_old_file_and_the_next_save_works(shop):
    catalog = shop.catalog(panel="parquet")
    shop.run(catalog, _make("panel", OLD))
    before = shop.path("panel", "parquet").read_bytes()

    with pytest.raises(DatasetError):
        shop.run(catalog, _make("panel", UNFIT))
    assert shop.path("panel", "parquet").read_bytes() == before
    assert shop.files() == ["panel.parquet"]
    assert shop.leftovers() == []

    shop.run(catalog, _make("panel", NEW))
    pd.testing.assert_frame_equal(catalog.load("panel"), NEW)


def test_a_save_by_hand_after_a_failed_run_is_written_too(shop):
    catalog = shop.catalog(panel="parquet")
    with pytest.raises(DatasetError):
        shop.run(catalog, _make("panel", UNFIT))
    catalog.save("panel", NEW)  # in a notebook, without hooks
    pd.testing.assert_frame_equal(catalog.load("panel"), NEW)


def test_a_run_after_one_whose_error_nobody_reported_works(shop):
    catalog = shop.catalog(panel="parquet")
    with pytest.raises(DatasetError):  # such as a run stopped by the keyboard
        SequentialRunner().run(Pipeline([_make("panel", UNFIT)]), catalog, shop.hooks)
    shop.run(catalog, _make("panel", NEW))
    pd.testing.assert_frame_equal(catalog.load("panel"), NEW)
    assert shop.leftovers() == []


def test_half_a_text_is_dropped_too(shop):
    catalog = shop.catalog(selected="json")
    shop.run(catalog, _make("selected", {"method": "naive"}))
    with pytest.raises(DatasetError):
        shop.run(
            catalog, _make("selected", {"method": "lightgbm", "fitted": list(range(10_000)), "bad": {1}})
        )
    assert catalog.load("selected") == {"method": "naive"}
    assert shop.leftovers() == []


def test_a_node_that_fails_leaves_what_earlier_nodes_saved(shop):
    def fail(panel: pd.DataFrame) -> None:
        raise ValueError("no such department")

    catalog = shop.catalog(panel="parquet", scores="parquet")
    with pytest.raises(ValueError, match="no such department"):
        shop.run(catalog, _make("panel", NEW), Node(fail, "panel", "scores", name="score"))
    assert shop.files() == ["panel.parquet"]


@pytest.mark.parametrize("options", [{}, {"is_async": True}, {"runner": ThreadRunner}])
def test_every_output_of_a_node_is_written_however_it_runs(shop, options):
    catalog = shop.catalog(panel="parquet", selected="json", sheet="csv")
    outputs = ["panel", "in_memory", "selected", "sheet"]
    for value in (1.0, 2.0):
        table = pd.DataFrame({"turnover": [value] * 20_000})
        make = _make(outputs, table, "kept in memory", {"wape": value}, table)
        read = Node(lambda panel, words: words, ["panel", "in_memory"], "words", name="read")
        shop.run(catalog, make, read, **options)
        assert catalog.load("selected") == {"wape": value}
        pd.testing.assert_frame_equal(catalog.load("panel"), table)
        pd.testing.assert_frame_equal(catalog.load("sheet")[["turnover"]], table)
    assert shop.files() == ["panel.parquet", "selected.json", "sheet.csv"]
    assert shop.leftovers() == []


@pytest.mark.parametrize("is_async", [False, True])
def test_of_several_outputs_the_one_that_fails_keeps_its_old_file(shop, is_async):
    catalog = shop.catalog(panel="parquet", scores="parquet")
    shop.run(catalog, _make(["panel", "scores"], OLD, OLD), is_async=is_async)
    with pytest.raises(DatasetError):
        shop.run(catalog, _make(["panel", "scores"], NEW, UNFIT), is_async=is_async)
    pd.testing.assert_frame_equal(catalog.load("scores"), OLD)
    assert shop.files() == ["panel.parquet", "scores.parquet"]
    assert shop.leftovers() == []


def test_datasets_that_write_without_fsspec_are_left_to_themselves(shop):
    shared = {
        "type": "sales_forecast.datasets.SharedJSONDataset",
        "filepath": shop.path("metrics", "json").as_posix(),
    }
    catalog = DataCatalog.from_config({"a": shared | {"key": "a"}, "b": shared | {"key": "b"}})
    shop.run(catalog, _make(["a", "b"], {"wape": 1}, {"wape": 2}))
    assert json.loads(shop.path("metrics", "json").read_text()) == {"a": {"wape": 1}, "b": {"wape": 2}}
    with pytest.raises(DatasetError):
        shop.run(catalog, _make(["a", "b"], {"wape": 3}, {"wape": float("nan")}))
    assert json.loads(shop.path("metrics", "json").read_text()) == {"a": {"wape": 3}, "b": {"wape": 2}}


def test_a_dataset_that_is_written_piece_by_piece_grows(shop):
    log = {
        "type": "text.TextDataset",
        "filepath": shop.path("log", "txt").as_posix(),
        "fs_args": {"open_args_save": {"mode": "a"}},
    }

    def tell():
        yield "one "
        yield "two"

    catalog = DataCatalog.from_config({"log": log})
    shop.run(catalog, Node(tell, None, "log", name="tell"))
    assert shop.path("log", "txt").read_text() == "one two"

    def fail():
        yield " three"
        raise ValueError("lost the thread")

    with pytest.raises(ValueError, match="lost the thread"):
        shop.run(catalog, Node(fail, None, "log", name="fail"))


def test_a_full_disk_in_the_last_moment_leaves_the_old_file(shop, monkeypatch):
    """Temporary files often live on another disk: bringing them home is a copy that can fail."""
    catalog = shop.catalog(panel="parquet")
    shop.run(catalog, _make("panel", OLD))
    rename = shutil.os.rename

    def rename_on_one_disk(source, target, **options):
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, "another disk")
        rename(source, target, **options)

    def copy_half(source, target, **options):
        Path(target).write_bytes(Path(source).read_bytes()[:50])
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(shutil.os, "rename", rename_on_one_disk)
    copy_whole = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", copy_half)
    with pytest.raises(OSError, match="no space left"):
        shop.run(catalog, _make("panel", NEW))
    pd.testing.assert_frame_equal(catalog.load("panel"), OLD)
    assert shop.files() == ["panel.parquet"]
    assert shop.leftovers() == []

    monkeypatch.setattr(shutil, "copyfile", copy_whole)  # somebody made space
    shop.run(catalog, _make("panel", NEW))
    pd.testing.assert_frame_equal(catalog.load("panel"), NEW)


KILLED = """
import os, signal, sys
from pathlib import Path
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset
from sales_forecast.save_hooks import SaveHooks

def die(unknown):
    os.kill(os.getpid(), signal.SIGKILL)

model = {"trees": list(range(200_000)), "more": object(), "rest": list(range(200_000))}
catalog = DataCatalog({"model": JSONDataset(filepath=sys.argv[1], save_args={"default": die})})
hooks = _create_hook_manager()
if sys.argv[2] == "with hooks":
    hooks.register(SaveHooks())
SequentialRunner().run(Pipeline([Node(lambda: model, None, "model", name="fit")]), catalog, hooks)
"""


@pytest.mark.parametrize("mode", ["with hooks", "without hooks"])
def test_a_process_killed_in_the_middle_of_a_large_save_leaves_the_old_file(shop, mode):
    model = shop.path("model", "json")
    model.write_text('{"trees": []}')
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(model), mode],
        check=False,
        capture_output=True,
        env=os.environ | {"TMPDIR": str(shop.folder)},
    )
    assert killed.returncode == -signal.SIGKILL
    if mode == "with hooks":
        assert model.read_text() == '{"trees": []}'
        assert any(path != model and path.stat().st_size > 1e6 for path in shop.folder.iterdir())
    else:  # what would happen without them: the test above can fail
        assert model.stat().st_size > 1e6


def test_after_a_run_files_are_written_as_usual(shop):
    shop.run(shop.catalog(panel="parquet"), _make("panel", NEW))
    with fsspec.filesystem("file", auto_mkdir=True).open(str(shop.path("by_hand", "csv")), "wb") as file:
        file.write(b"turnover")
    assert shop.path("by_hand", "csv").read_bytes() == b"turnover"


# --- before a run ------------------------------------------------------------------------------------


def _read(raw: pd.DataFrame) -> pd.DataFrame:
    if (raw["turnover"] < 0).any():
        raise InputError("sold.csv: 1 bad row(s)")
    return raw


READING = Pipeline(
    [
        Node(_read, "raw", "sales", name="read_sales", tags=CHECKED_FIRST),
        Node(
            lambda raw, sales: sales,
            ["other_raw", "sales"],
            "forecast_index",
            name="read_forecast_index",
            tags=CHECKED_FIRST,
        ),
        Node(lambda sales: sales, "sales", "panel", name="build_panel"),
    ]
)


def _raw_files(shop: Shop, **turnover: float) -> DataCatalog:
    for name, value in turnover.items():
        pd.DataFrame({"turnover": [value]}).to_csv(shop.path(name, "csv"), index=False)
    return shop.catalog(
        raw="csv", other_raw="csv", sales="parquet", forecast_index="parquet", panel="parquet"
    )


def test_a_bad_raw_file_stops_a_run_before_anything_is_written(shop):
    catalog = _raw_files(shop, raw=-1.0, other_raw=1.0)
    with pytest.raises(InputError, match=r"sold\.csv: 1 bad row"):
        shop.hooks.hook.before_pipeline_run(run_params={}, pipeline=READING, catalog=catalog)
    assert shop.files() == ["other_raw.csv", "raw.csv"]


def test_good_raw_files_are_checked_without_a_trace(shop):
    catalog = _raw_files(shop, raw=1.0, other_raw=1.0)
    check_inputs(READING, catalog)
    assert shop.files() == ["other_raw.csv", "raw.csv"]


def test_what_is_checked_is_not_made_twice(shop):
    calls: list[str] = []

    def counted(name, function):
        def call(*tables):
            calls.append(name)
            return function(*tables)

        return call

    pipeline = Pipeline(
        [
            Node(counted("read", _read), "raw", "sales", name="read_sales", tags=CHECKED_FIRST),
            Node(counted("build", _read), "sales", "panel", name="build_panel"),
        ]
    )
    for value in (1.0, 2.0):  # all runs of a process share the nodes
        catalog = _raw_files(shop, raw=value, other_raw=1.0)
        shop.hooks.hook.before_pipeline_run(run_params={}, pipeline=pipeline, catalog=catalog)
        assert calls == ["read"]
        shop.run(catalog, *pipeline.nodes)
        assert calls == ["read", "build"]
        assert catalog.load("panel")["turnover"].item() == value
        calls.clear()


def test_what_was_checked_for_a_run_that_failed_is_not_taken_by_the_next(shop):
    def fail() -> int:
        raise ValueError("the lights went out")

    nodes = [
        Node(fail, None, "light", name="a_fail"),
        Node(lambda light, raw: _read(raw), ["light", "raw"], "sales", name="read_sales"),
    ]
    read = Node(lambda raw: raw["turnover"].item(), "raw", "seen", name="read_seen", tags=CHECKED_FIRST)
    catalog = _raw_files(shop, raw=1.0, other_raw=1.0)
    shop.hooks.hook.before_pipeline_run(run_params={}, pipeline=Pipeline([*nodes, read]), catalog=catalog)
    shop.hooks.hook.on_pipeline_error(
        error=ValueError(), run_params={}, pipeline=Pipeline([*nodes, read]), catalog=catalog
    )
    catalog = _raw_files(shop, raw=2.0, other_raw=1.0)
    assert read.run({"raw": catalog.load("raw")}) == {"seen": 2.0}


def test_a_stage_that_reads_no_raw_file_needs_none(shop):
    check_inputs(READING.only_nodes("build_panel"), _raw_files(shop))


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("sales", "'sales' keeps no versions, so 2024-01-01T00.00.00.000Z cannot be loaded."),
        ("selected", "no node of this run loads 'selected'"),
    ],
)
def test_a_version_that_nothing_would_load_is_refused(shop, wanted, says):
    versioned = {"type": "json.JSONDataset", "filepath": "champion.json", "versioned": True}
    sales = {"type": "pandas.ParquetDataset", "filepath": "sales.parquet"}
    catalog = DataCatalog.from_config({"{sales}": sales, "selected": versioned})
    pipeline = READING.only_nodes("build_panel")
    version = "2024-01-01T00.00.00.000Z"
    with pytest.raises(InputError, match=re.escape(says)):
        check_load_versions({wanted: version}, pipeline, catalog)
    read = Pipeline([Node(lambda champion: champion, "selected", "told", name="tell")])
    check_load_versions({"selected": version}, read, catalog)


def test_the_hook_looks_at_the_versions_that_are_wanted(shop):
    run_params = {"load_versions": {"raw": "2024-01-01T00.00.00.000Z"}}
    with pytest.raises(InputError, match="keeps no versions"):
        shop.hooks.hook.before_pipeline_run(
            run_params=run_params, pipeline=READING, catalog=_raw_files(shop, raw=1.0, other_raw=1.0)
        )


# --- after a run -------------------------------------------------------------------------------------


def test_nested_metrics_become_names_with_dots():
    assert dict(flatten({"a": {"b": 1, "c": {"d": 2}}, "e": "f", "g": {}})) == {
        "a.b": 1,
        "a.c.d": 2,
        "e": "f",
    }


def test_a_run_ends_with_a_table_and_the_place_of_the_report(capsys):
    report = "s3://shop/report.html"
    headline = {"best": "lightgbm", "error": "WAPE 21.1%", "baseline": "WAPE 55.0% (naive)"}
    summarise({"turnover": {"lightgbm": {}, "headline": headline}, "marketing": {}}, report)
    printed = capsys.readouterr().out
    for words in ("turnover", *headline.values(), report):
        assert words in printed
    assert "marketing" not in printed


def test_a_terminal_that_knows_links_gets_one_to_the_report(tmp_path, capsys, monkeypatch):
    report = tmp_path / "my [first] report.html"
    report.touch()
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    summarise({}, str(report))
    printed = capsys.readouterr().out
    assert f";{report.as_uri()}\x1b\\{report}\x1b]8;;" in printed


def test_a_run_without_metrics_ends_without_a_table(capsys):
    summarise({"marketing": {}}, None)
    assert capsys.readouterr().out == ""


def test_the_code_is_named_by_its_commit_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    assert code_version(tmp_path) == {}
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    (tmp_path / "requirements.lock").write_text("pandas==2.3.3")
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    clean = code_version(tmp_path)
    assert len(clean["git_commit"]) == 40
    assert clean["git_dirty"] == "false"
    (tmp_path / "requirements.lock").write_text("pandas==3")
    dirty = code_version(tmp_path)
    assert dirty["git_dirty"] == "true"
    assert dirty["requirements_lock"] != clean["requirements_lock"]


def test_in_an_image_its_environment_names_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COMMIT", "c0ffee"), ("DIRTY", "false"), ("LOCK", "abc")):
        monkeypatch.setenv(f"SALES_FORECAST_{name}", value)
    expected = {"git_commit": "c0ffee", "git_dirty": "false", "requirements_lock": "abc"}
    assert code_version(tmp_path) == expected
    (tmp_path / "requirements.lock").write_text("pandas==2.3.3")
    assert code_version(tmp_path)["requirements_lock"] != "abc"


def test_a_file_is_always_there_and_a_closed_port_never() -> None:
    assert does_not_answer("sqlite:////nowhere/mlflow.db") is None
    assert does_not_answer("http://127.0.0.1:9") is not None


def test_progress_is_told_when_a_stage_of_a_domain_is_done(shop, caplog):
    shop.hooks.register(ProgressHooks())
    reading, judging = (
        Pipeline([_make(f"made_{number}", 1, name=f"make_{number}") for number in (1, 2)], namespace=stage)
        for stage in ("turnover.data_processing", "turnover.evaluation")
    )
    pipeline = reading + judging
    with caplog.at_level(logging.INFO, logger="sales_forecast.progress"):
        shop.hooks.hook.before_pipeline_run(run_params={}, pipeline=pipeline, catalog=shop.catalog())
        SequentialRunner().run(
            pipeline.filter(from_nodes=[node.name for node in reading.nodes]), shop.catalog(), shop.hooks
        )
    told = [record.getMessage() for record in caplog.records if record.name == "sales_forecast.progress"]
    assert told[0] == "The input is checked. Nodes: 4, stages: 2."
    assert [line.split()[:5] for line in told[1:]] == [["1/2", "turnover", "data_processing", "2", "nodes"]]
