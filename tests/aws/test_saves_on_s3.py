"""An object on S3 is there completely or not at all, whatever stops the process that saves it."""

import signal
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner, ThreadRunner

from s3_here import BUCKET, NEEDS_S3
from sales_forecast.save_hooks import SaveHooks

pytestmark = NEEDS_S3

OLD, NEW = pd.DataFrame({"turnover": [1.0]}), pd.DataFrame({"turnover": [2.0]})
UNFIT = pd.DataFrame({"turnover": [1.0, "two"]})  # parquet has no type for a column of both
NAIVE: dict[str, Any] = {"method": "naive"}
HALF: dict[str, Any] = {"method": "lightgbm", "fitted": list(range(10_000)), "bad": {1}}

Run = Callable[..., DataCatalog]


@pytest.fixture
def run(bucket: Any, request: pytest.FixtureRequest) -> Run:
    """Run a node that gives a table and a model, which datasets of Kedro save in the bucket."""
    root = f"s3://{BUCKET}/{request.node.name.partition('[')[0]}"
    hooks = _create_hook_manager()
    hooks.register(SaveHooks())
    context = SimpleNamespace(config_loader={"globals": {"data_root": root}})
    hooks.hook.after_context_created(context=context)
    types = {"panel": "pandas.ParquetDataset", "model": "json.JSONDataset"}
    entries = {name: {"type": kind, "filepath": f"{root}/{name}"} for name, kind in types.items()}
    catalog = DataCatalog.from_config(entries)

    def save(
        panel: pd.DataFrame, model: dict[str, Any], runner: Any = SequentialRunner, **options: Any
    ) -> Any:
        pipeline = Pipeline([Node(lambda: (panel, model), None, ["panel", "model"], name="make")])
        try:
            runner(**options).run(pipeline, catalog, hooks)
        except Exception as error:
            hooks.hook.on_pipeline_error(error=error, run_params={}, pipeline=pipeline, catalog=catalog)
            raise
        return catalog

    return save


@pytest.mark.parametrize("is_async", [False, True])
def test_an_output_that_fails_keeps_its_old_object(run: Run, is_async: bool) -> None:
    catalog = run(OLD, NAIVE, is_async=is_async)
    for panel, model in ((UNFIT, NAIVE), (OLD, HALF)):
        with pytest.raises(DatasetError):
            run(panel, model, is_async=is_async)
        pd.testing.assert_frame_equal(catalog.load("panel"), OLD)
        assert catalog.load("model") == NAIVE
    catalog.save("panel", NEW)  # in a notebook, after a run that failed
    pd.testing.assert_frame_equal(catalog.load("panel"), NEW)


def test_threads_that_save_at_the_same_time_save_everything(run: Run) -> None:
    for panel in (OLD, NEW):
        catalog = run(panel, NAIVE, runner=ThreadRunner)
        pd.testing.assert_frame_equal(catalog.load("panel"), panel)


KILLED = """
import os, signal, sys
from s3fs import S3FileSystem
from sales_forecast.atomic import whole_file

call = S3FileSystem._call_s3

async def die_at_the_end(self, method, *arguments, **options):
    if method == "complete_multipart_upload":
        os.kill(os.getpid(), signal.SIGKILL)
    return await call(self, method, *arguments, **options)

S3FileSystem._call_s3 = die_at_the_end
with whole_file(sys.argv[1]) as part, part.open("wb") as file:
    file.truncate(105 * 2**20)  # large enough for an upload in parts
"""


def test_a_process_killed_in_the_middle_of_an_upload_leaves_the_old_object(bucket: Any) -> None:
    place = f"s3://{BUCKET}/killed/model.json"
    bucket.pipe_file(place, b"old")
    killed = subprocess.run([sys.executable, "-c", KILLED, place], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert bucket.cat_file(place) == b"old"
    assert len(bucket.call_s3("list_multipart_uploads", Bucket=BUCKET)["Uploads"]) == 1
