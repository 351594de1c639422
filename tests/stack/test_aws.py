"""The images for AWS, started as SageMaker and Lambda start them, on this machine and without an account."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import pandas as pd
import pytest
import yaml

from endpoints import endpoint
from lambdas import Runtime, runtime_api
from projects import REPOSITORY, SMALL
from sales_forecast.tracking import flatten
from servers import free_port
from stacks import Containers

Told = Callable[[str, float], None]

SAGEMAKER, LAMBDA = (f"localhost/sales_forecast/{name}:latest" for name in ("sagemaker", "lambda"))
OF_LAMBDA = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
}
"""Variables that Lambda sets."""


@pytest.fixture(scope="module")
def images(containers: Containers, told: Told) -> Containers:
    began = perf_counter()
    containers.run("deploy/images/build.sh", "sagemaker", "lambda")
    told("seconds, images for SageMaker and Lambda beside the others", perf_counter() - began)
    return containers


@pytest.fixture(scope="module")
def trained(images: Containers, tmp_path_factory: pytest.TempPathFactory, told: Told) -> Path:
    """What a training job leaves: the folder that is mounted at /opt/ml, and its temporary files beside."""
    folder = tmp_path_factory.mktemp("job")
    for name in ("ml/input/config", "ml/model", "ml/output", "temporary"):
        (folder / name).mkdir(parents=True)
    given = {name: json.dumps(value) for name, value in flatten({"turnover": SMALL})}
    config = {"hyperparameters": given, "inputdataconfig": {"raw": {}}, "resourceconfig": {"hosts": ["a"]}}
    for name, content in config.items():
        (folder / f"ml/input/config/{name}.json").write_text(json.dumps(content))
    mounts = {folder / "ml": "/opt/ml", folder / "temporary": "/tmp"}
    mounts[REPOSITORY / "data/01_raw"] = "/opt/ml/input/data/raw"
    volumes = [part for here, there in mounts.items() for part in ("--volume", f"{here}:{there}")]
    began = perf_counter()
    images.podman("run", "--rm", "--network", "none", *volumes, SAGEMAKER, "train")
    told("seconds, a training job without network", perf_counter() - began)
    return folder


@pytest.fixture(scope="module")
def container(trained: Path, images: Containers, told: Told) -> Iterator[httpx.Client]:
    """The inference container, from the word ``serve`` on."""
    port, began = free_port(), perf_counter()
    model = f"{trained}/ml/model:/opt/ml/model:ro"
    options = ["--detach", "--publish", f"127.0.0.1:{port}:8080", "--volume", model, "--read-only"]
    name = images.podman("run", *options, "--tmpfs", "/tmp", SAGEMAKER, "serve")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_for(client)
            told("seconds, until /ping answers", perf_counter() - began)
            yield client
            began = perf_counter()
            images.podman("stop", "--time", "25", name)
            told("seconds, until it has stopped", perf_counter() - began)
            assert perf_counter() - began < 20, "SageMaker kills it after 30 seconds"
    finally:
        images.podman("rm", "--force", "--time", "0", name, check=False)


def wait_for(client: httpx.Client) -> None:
    for _ in range(240):
        try:
            if client.get("/ping").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise AssertionError("the container does not answer /ping")


@pytest.fixture
def forecasts(trained: Path) -> pd.DataFrame:
    """What the run in the training job has forecast."""
    tables = trained / "temporary/sales_forecast_project/data/07_model_output/turnover"
    return pd.read_parquet(tables / "model_forecasts.parquet").astype({"store": str, "department": str})


def assert_equal(forecasts: pd.DataFrame, predictions: list[dict[str, Any]]) -> None:
    rows = pd.DataFrame(predictions)
    rows["week"] = pd.to_datetime(rows["week"])
    keys = ["store", "department", "week"]
    both = forecasts.merge(rows, on=keys, validate="1:1", suffixes=("", "_there"))
    assert len(both) == len(forecasts)
    for name in ("forecast", "lo_80", "hi_80", "lo_95", "hi_95"):
        assert (both[name] == both[f"{name}_there"]).all(), name


def series_of(forecasts: pd.DataFrame) -> list[dict[str, str]]:
    found: list[dict[str, str]] = forecasts[["store", "department"]].drop_duplicates().to_dict("records")
    return found


@contextmanager
def function(
    images: Containers, handler: str, environment: dict[str, str], *options: str
) -> Iterator[Runtime]:
    """The Lambda image with the runtime client of AWS, on a file system that is only read."""
    with runtime_api() as runtime:
        given = {"AWS_LAMBDA_RUNTIME_API": runtime.address, "AWS_LAMBDA_FUNCTION_NAME": "shop", **environment}
        variables = [part for name, value in given.items() for part in ("--env", f"{name}={value}")]
        limits = ["--network", "host", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
        name = images.podman("run", "--detach", *limits, *variables, *options, LAMBDA, handler)
        try:
            yield runtime
        except BaseException:
            print(images.podman("logs", name, check=False)[-3000:])
            raise
        finally:
            images.podman("rm", "--force", "--time", "0", name)


# --- SageMaker -------------------------------------------------------------------------------------------


def test_the_image_has_no_entrypoint_and_adds_little_to_the_trainer(images: Containers) -> None:
    trainer, sagemaker, function = (
        json.loads(images.podman("image", "inspect", f"localhost/sales_forecast/{name}:latest"))[0]
        for name in ("trainer", "sagemaker", "lambda")
    )
    assert not sagemaker["Config"].get("Entrypoint")
    assert sagemaker["User"] in ("0", "root", "")
    assert function["User"] == "10001:10001"
    layers = trainer["RootFS"]["Layers"]
    assert sagemaker["RootFS"]["Layers"][: len(layers)] == layers
    assert (sagemaker["Size"] - trainer["Size"]) / 1e6 < 150


def test_a_training_job_leaves_a_model_and_its_report(trained: Path) -> None:
    outcome = json.loads((trained / "ml/model/outcome.json").read_text())
    assert (outcome["champion"], outcome["promoted"]) == ("1", True)
    assert (trained / "ml/output/data/report.html").exists()
    assert not (trained / "ml/output/failure").exists()


def test_a_training_job_that_fails_says_why(images: Containers, tmp_path: Path) -> None:
    (tmp_path / "input/config").mkdir(parents=True)
    (tmp_path / "input/config/inputdataconfig.json").write_text('{"train": {}}')
    run = [
        "podman",
        "run",
        "--rm",
        "--network",
        "none",
        "--volume",
        f"{tmp_path}:/opt/ml",
        SAGEMAKER,
        "train",
    ]
    done = images.run(*run, check=False)
    assert done.returncode == 1
    failure = (tmp_path / "output/failure").read_text()
    assert failure == "there is no channel 'train'; raw files are in the channel 'raw'"
    assert f"Error: {failure}" in done.stderr


def test_the_endpoint_predicts_what_the_job_has_forecast(
    container: httpx.Client, forecasts: pd.DataFrame
) -> None:
    answer = container.post("/invocations", json={"series": series_of(forecasts)})
    assert answer.status_code == 200, answer.text
    assert_equal(forecasts, answer.json()["predictions"])


def test_a_batch_transform_predicts_what_the_job_has_forecast(
    container: httpx.Client, forecasts: pd.DataFrame
) -> None:
    lines = "\n".join(json.dumps(one) for one in series_of(forecasts))
    answer = container.post("/invocations", content=lines, headers={"Content-Type": "application/jsonlines"})
    rows = [row for line in answer.text.splitlines() for row in json.loads(line)["predictions"]]
    assert_equal(forecasts, rows)


# --- Lambda ----------------------------------------------------------------------------------------------


def test_the_api_predicts_what_the_job_has_forecast(
    images: Containers, container: httpx.Client, forecasts: pd.DataFrame, told: Told
) -> None:
    """API Gateway's event -> Lambda -> endpoint -> container."""
    body = json.dumps({"series": series_of(forecasts)})
    event = {"path": "/v1/turnover/predict", "requestContext": {"requestId": "1"}, "body": body}
    with endpoint({"champion": container}) as url:
        variables = {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url, "SALES_FORECAST_ENDPOINT": "shop"}
        handler = "sales_forecast.aws.lambda_gateway.handler"
        began = perf_counter()
        with function(images, handler, OF_LAMBDA | variables) as runtime:
            answer = runtime.invoke(event)
            told("seconds, first answer of a new function", perf_counter() - began)
            assert answer["statusCode"] == 200, answer
            assert_equal(forecasts, json.loads(answer["body"])["predictions"])
            refused = runtime.invoke(event | {"body": '{"series": [{"store": 105}]}'})
            assert refused["statusCode"] == 422
            assert "body.series.0.department" in refused["body"]


def test_a_delivery_is_processed_by_a_function_that_may_write_to_tmp_only(
    images: Containers, tmp_path: Path, told: Told
) -> None:
    (tmp_path / "local").mkdir()
    (tmp_path / "local/globals.yml").write_text(yaml.safe_dump({"raw_folder": "/raw"}))
    mounts = {tmp_path / "local": "/app/conf/local", REPOSITORY / "data/01_raw": "/raw"}
    volumes = [part for here, there in mounts.items() for part in ("--volume", f"{here}:{there}:ro")]
    variables = {"SALES_FORECAST_DATABASE_URL": "sqlite:////tmp/shop.db"}
    handler = "sales_forecast.aws.lambda_processing.handler"
    event = {"run_date": "2017-10-02", "bucket": "shop", "key": ""}
    with function(images, handler, variables, *volumes) as runtime:
        began = perf_counter()
        first = runtime.invoke(event)
        told("seconds, a delivery by a new function", perf_counter() - began)
        assert first["state"] == "accepted", first
        assert runtime.invoke(event) == first
