"""The life of a model on real MLflow stores: tracked, registered, defended, served, taken back."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from mlflow import MlflowClient
from mlflow.pyfunc import scoring_server

from projects import Project, copy_finished
from sales_forecast.registry.store import Registry
from servers import WITH_TOOLS, free_port, serving

pytestmark = pytest.mark.xdist_group("lifecycle")

KEYS = ["store", "department", "week"]
ENDS = ["forecast", "lo_80", "hi_80", "lo_95", "hi_95"]


def tracking_uri(project: Project) -> str:
    return f"sqlite:///{project.folder}/mlflow.db"


def registry(project: Project, domain: str = "turnover") -> Registry:
    return Registry(MlflowClient(tracking_uri=tracking_uri(project)), f"sales_forecast.{domain}")


def champion(project: Project, domain: str = "turnover") -> str:
    found = registry(project, domain).champion()
    assert found is not None
    return str(found.version)


def gate_decision(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.path("08_reporting/turnover/gate_decision.json").read_text())
    return found


def command(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the project, or of MLflow, in the project's folder."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=project.folder,
        env=os.environ
        | WITH_TOOLS
        | {
            "PYTHONPATH": str(project.folder / "src"),
            "MLFLOW_TRACKING_URI": tracking_uri(project),
            "COLUMNS": "300",
        },
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def project(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_finished(small, tmp_path_factory.mktemp("lifecycle") / "project")


def test_forecasts_say_which_model_run_and_data_made_them(project: Project) -> None:
    forecasts = pd.read_parquet(project.path("07_model_output/turnover/forecasts.parquet"))
    found = registry(project).champion()
    assert found is not None
    assert set(forecasts["model_version"]) == {"1"}
    assert set(forecasts["run_id"]) == {found.run_id}
    described = json.loads(project.path("02_intermediate/turnover/data_version.json").read_text())
    assert set(forecasts["data_version"]) == {described["version"]}
    assert described["files"]["sales"]["last_week"] == "2017-09-30"
    run = MlflowClient(tracking_uri=tracking_uri(project)).get_run(found.run_id or "")
    assert run.data.tags["data_version.turnover"] == described["version"]
    assert run.data.metrics["turnover.blend.department.88.wape"] > 0


@contextmanager
def served(project: Project, model: str) -> Iterator[str]:
    """A real ``mlflow models serve``; where it listens."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [
        *(sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{model}@champion"),
        *("--env-manager", "local", "-p", str(port), "-h", "127.0.0.1"),
    ]
    log = project.folder / f"{model}.log"
    with serving(command, f"{url}/ping", log, {"MLFLOW_TRACKING_URI": tracking_uri(project)}):
        yield url


def split(question: pd.DataFrame) -> dict[str, Any]:
    """The body of a request to an MLflow server."""
    return {"dataframe_split": question.to_dict("split", index=False)}


def ask(url: str, question: pd.DataFrame) -> pd.DataFrame:
    body = json.dumps(split(question)).encode()
    request = Request(f"{url}/invocations", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=120) as answer:
        return pd.DataFrame(json.load(answer)["predictions"])


def test_the_served_turnover_model_answers_to_the_last_digit_what_the_run_forecast(project: Project) -> None:
    forecasts = pd.read_parquet(project.path("07_model_output/turnover/forecasts.parquet"))
    with served(project, "sales_forecast.turnover") as url:
        answer = ask(url, forecasts[["store", "department", "horizon"]])
        two = ask(url, forecasts[["store", "department"]].drop_duplicates().head(2))
    assert len(answer) == len(forecasts)
    assert (pd.to_datetime(answer["week"]) == forecasts["week"]).all()
    np.testing.assert_array_equal(answer[ENDS], forecasts[ENDS])
    assert two["horizon"].tolist() == [*range(1, 9)] * 2


def test_the_served_marketing_model_answers_what_the_evaluation_measured(project: Project) -> None:
    predictions = pd.read_parquet(project.path("07_model_output/marketing/predictions.parquet"))
    mlflow.set_tracking_uri(tracking_uri(project))
    app = scoring_server.init(mlflow.pyfunc.load_model("models:/sales_forecast.marketing@champion"))
    with TestClient(app) as server:  # what "mlflow models serve" serves; see the test above
        said = server.post("/invocations", json=split(predictions[["tv"]]))
    answer = pd.DataFrame(said.json()["predictions"])
    np.testing.assert_array_equal(answer["sales"], predictions["tuned"])


def test_mlflow_models_predict_answers_the_same(project: Project, tmp_path: Path) -> None:
    predictions = pd.read_parquet(project.path("07_model_output/marketing/predictions.parquet"))
    predictions[["tv"]].to_csv(tmp_path / "budgets.csv", index=False)
    done = command(
        project,
        *("mlflow", "models", "predict", "-m", "models:/sales_forecast.marketing@champion"),
        *("--env-manager", "local", "-t", "csv"),
        *("-i", str(tmp_path / "budgets.csv"), "-o", str(tmp_path / "sales.json")),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer = pd.DataFrame(json.loads((tmp_path / "sales.json").read_text())["predictions"])
    np.testing.assert_array_equal(answer["sales"], predictions["tuned"])


ONLY_ITS_OWN = """
import json, re, sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

model, question = map(Path, sys.argv[1:])
plain = lambda name: re.split(r"[^A-Za-z0-9_.-]", name)[0].lower().replace("_", "-")
needed, waiting = set(), [plain(line) for line in (model / "requirements.txt").read_text().splitlines()]
while waiting:
    name = waiting.pop()
    if name in needed:
        continue
    needed.add(name)
    try:
        waiting += [plain(line) for line in requires(name) or [] if "extra ==" not in line]
    except Exception:
        pass
foreign = {
    module for module, owners in packages_distributions().items() if not {plain(o) for o in owners} & needed
} - {"sales_forecast"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in foreign:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
sys.path = [place for place in sys.path if not place.endswith("/src")]
import mlflow, pandas as pd
loaded = mlflow.pyfunc.load_model(str(model))
answer = loaded.predict(pd.read_json(question, orient="split"))
assert "kedro" in foreign and "kedro" not in sys.modules
import sales_forecast
assert str(model) in sales_forecast.__file__, sales_forecast.__file__
print(answer.iloc[:, -5 if "store" in answer else -1].to_list()[0])
"""


@pytest.mark.parametrize("domain", ["turnover", "marketing"])
def test_a_model_needs_nothing_but_its_requirements(project: Project, domain: str, tmp_path: Path) -> None:
    found = registry(project, domain).champion()
    assert found is not None
    client = MlflowClient(tracking_uri=tracking_uri(project))
    logged = client.get_logged_model(str(found.source).removeprefix("models:/"))
    shutil.copytree(logged.artifact_location.removeprefix("file://"), tmp_path / "model")
    question = tmp_path / "question.json"
    example = json.loads((tmp_path / "model" / "input_example.json").read_text())
    question.write_text(json.dumps(example))
    done = subprocess.run(
        [sys.executable, "-c", ONLY_ITS_OWN, str(tmp_path / "model"), str(question)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert float(done.stdout.split()[-1]) >= 0
    assert not list((tmp_path / "model").rglob("*.pkl"))


def run(project: Project, *stages: str) -> None:
    for stage in stages:
        code, output = project.run("-p", stage)
        assert code == 0, output[-3000:]


def test_a_worse_model_is_refused_and_a_better_one_takes_over(project: Project) -> None:
    """Version 1 serves. The second comes from a run whose only methods repeat the past."""
    path = project.path("07_model_output/turnover/backtest.parquet")
    whole = pd.read_parquet(path)
    whole[whole["method"] != "blend"].to_parquet(path)
    run(project, "evaluation", "registration")

    decided = gate_decision(project)
    assert decided["decision"] == "refused"
    assert decided["champion"] == {"version": "1", "method": "blend"}
    assert decided["difference"]["low"] > 0
    assert decided["diebold_mariano"]["statistic"] > 0
    assert "its WAPE of series is worse" in decided["reasons"]
    assert champion(project) == "1"
    challenger = registry(project).challenger()
    assert challenger is not None
    assert (str(challenger.version), challenger.tags["decision"][:7]) == ("2", "refused")
    report = project.path("08_reporting/data_science.html").read_text()
    assert "does <strong>not</strong> take over" in report

    said = project.command("models", "promote", "turnover", "2", "--why", "a mistake")
    assert said.exit_code == 0, said.stderr
    assert "Version 2 of sales_forecast.turnover serves; before, version 1 did." in said.stdout
    run(project, "inference")
    forecasts = pd.read_parquet(project.path("07_model_output/turnover/forecasts.parquet"))
    assert set(forecasts["model_version"]) == {"2"}
    assert set(forecasts["method"]) == {"growth_naive"}

    whole.to_parquet(path)
    run(project, "evaluation", "registration")
    decided = gate_decision(project)
    assert decided["decision"] == "better", decided["reasons"]
    assert decided["difference"]["high"] < 0
    assert decided["wape"]["challenger"] < decided["wape"]["champion"]
    assert champion(project) == "1", "the same model as before is not registered again"
    assert len(registry(project).versions()) == 2

    back = project.command("models", "rollback", "turnover", "--why", "to see it work")
    assert "Version 2 of sales_forecast.turnover serves; before, version 1 did." in back.stdout
    shown = project.command("models", "show", "turnover", "1").stdout
    assert "Turnover: blend" in shown
    for words in ("a mistake", "to see it work", "kedro run"):
        assert words in shown
    listed = project.command("models", "list").stdout
    assert "champion" in listed
    assert "refused: its WAPE of series is worse" in listed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["promote", "turnover", "99", "--why", "x"], "has no version 99"),
        (["promote", "shoes", "1", "--why", "x"], "'shoes' is no domain"),
        (["rollback", "marketing", "--why", "x"], "there is nothing to go back to"),
        (["list", "--env", "nowhere"], "there is no environment conf/nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_message(project: Project, arguments: list[str], says: str) -> None:
    done = project.command("models", *arguments)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)  # and no traceback
    assert says in done.stderr
