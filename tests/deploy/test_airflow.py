"""The DAGs of deploy/airflow: as text, in Airflow's own DagBag, in whole runs, and by a real scheduler."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from deploy.airflow.dags.sales_forecast_runners import Runner
from mlflow import MlflowClient
from mlflow.entities import Run

from projects import REPOSITORY, Project, copy_small
from sales_forecast.registry.store import Registry
from servers import free_port

DAGS = REPOSITORY / "deploy" / "airflow" / "dags"
AIRFLOW = REPOSITORY / ".venv-airflow"

with_airflow = pytest.mark.skipif(
    not (AIRFLOW / ".ready").exists(), reason=".venv-airflow is not set up: make airflow"
)

TURNOVER = [
    *("data_processing", "eda_reporting", "modelling", "evaluation", "registration", "inference"),
    "monitoring",
]
REFRESH = 'kedro run {conf} --pipelines refresh ${FOLDER:+--params "raw_folder=$FOLDER"}'


# --- the commands of the runners, as text: neither docker nor kubectl is run


def test_bash_runs_the_programs_of_the_project() -> None:
    runner = Runner("bash", "/srv/shop")
    assert runner.command("sales-forecast monitor {conf} --fail-on alarm", "trainer") == (
        ".venv/bin/sales-forecast monitor --fail-on alarm"
    )
    production = Runner("bash", "/srv/shop", conf="postgres")
    assert production.command("sales-forecast retention {conf}", "trainer") == (
        ".venv/bin/sales-forecast retention --env postgres"
    )


def test_an_unknown_runner_is_named() -> None:
    with pytest.raises(ValueError, match="DAG_RUNNER is 'nomad'; it can be bash, docker, kubernetes"):
        Runner.from_environment({"DAG_RUNNER": "nomad"})


CONTAINERS = {
    "SALES_FORECAST_ENV": "postgres",
    "DAG_RUNNER_VARIABLES": "MLFLOW_TRACKING_URI",
    "DAG_RUNNER_VOLUMES": "shop-data:/app/data shop-conf:/app/conf/local",
    "DAG_RUNNER_NETWORK": "shop",
    "DAG_RUNNER_NAMESPACE": "shop",
}
FOLDER = "/in/2017-07-15; rm -rf \"$HOME\" 'all'"
"""A folder that a caller has named, with what must not reach a shell."""


def received(tmp_path: Path, program: str, command: str) -> list[list[str]]:
    """What a program would be called with: one of its name says it."""
    fake, calls = tmp_path / program, tmp_path / "calls"
    fake.write_text('#!/bin/bash\nprintf "%s\\0" "$@" >>"$CALLS"\nprintf "\\n" >>"$CALLS"\nexit 7\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls), "FOLDER": FOLDER}
    environment |= {"MLFLOW_TRACKING_URI": "http://mlflow:5000", "MLFLOW_RUN_ID": "abc"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, check=False)
    assert done.returncode == 7, "the exit code is that of the command"
    return [line.rstrip("\0").split("\0") for line in calls.read_text().splitlines()]


def test_docker_gets_image_network_volumes_and_secrets_and_the_folder_as_one_word(tmp_path: Path) -> None:
    runner = Runner.from_environment(
        CONTAINERS | {"DAG_RUNNER": "docker", "DAG_RUNNER_SECRETS": "/srv/secrets"}
    )
    command = runner.command(REFRESH, "trainer")
    assert FOLDER not in command
    assert received(tmp_path, "docker", command) == [
        [
            *("run", "--rm", "--init", "--env", "FOLDER", "--env", "MLFLOW_RUN_ID"),
            *("--env", "MLFLOW_RUN_NAME", "--env", "MLFLOW_TRACKING_URI", "--network", "shop"),
            *("--volume", "shop-data:/app/data", "--volume", "shop-conf:/app/conf/local"),
            *("--volume", "/srv/secrets:/run/secrets:ro", "sales_forecast/trainer:latest"),
            *("kedro", "run", "--env", "postgres", "--pipelines", "refresh"),
            *("--params", f"raw_folder={FOLDER}"),
        ]
    ]


def test_kubectl_runs_a_pod_with_claims_and_a_secret_and_deletes_it(tmp_path: Path) -> None:
    runner = Runner.from_environment(
        CONTAINERS
        | {"DAG_RUNNER": "kubernetes", "DAG_RUNNER_SECRETS": "shop", "DAG_RUNNER_IMAGES": "hub/{part}:1"}
    )
    run, delete = received(tmp_path, "kubectl", runner.command(REFRESH, "processor"))
    pod = run[1]
    assert re.fullmatch(r"sales-forecast-\d+-\d+", pod)
    assert delete == ["delete", "pod", pod, "--namespace", "shop", "--ignore-not-found", "--wait=false"]
    options = run[2 : run.index("--command")]
    overrides = json.loads(options.pop().removeprefix("--overrides="))
    assert options == [
        *("--namespace", "shop", "--image=hub/processor:1", "--restart=Never", "--attach", "--quiet"),
        *("--pod-running-timeout=10m", f"--env=FOLDER={FOLDER}", "--env=MLFLOW_RUN_ID=abc"),
        *("--env=MLFLOW_RUN_NAME=", "--env=MLFLOW_TRACKING_URI=http://mlflow:5000"),
        "--override-type=strategic",
    ]
    (container,) = overrides["spec"]["containers"]
    assert container["name"] == pod
    assert {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]} == {
        "shop-data": "/app/data",
        "shop-conf": "/app/conf/local",
        "secrets": "/run/secrets",
    }
    assert overrides["spec"]["volumes"][-1] == {"name": "secrets", "secret": {"secretName": "shop"}}
    assert run[run.index("--command") + 1 :] == [
        *("--", "kedro", "run", "--env", "postgres", "--pipelines", "refresh"),
        *("--params", f"raw_folder={FOLDER}"),
    ]


def test_the_guide_names_every_variable_and_no_other() -> None:
    pattern = r"\b(?:SALES_FORECAST|DAG_RUNNER)(?:_[A-Z]+)*\b"
    read = {name for file in DAGS.glob("*.py") for name in re.findall(pattern, file.read_text())}
    told = set(re.findall(pattern, (REPOSITORY / "docs/airflow.md").read_text()))
    assert told == read


# --- what Airflow makes of them


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("bag")
    script = Path(__file__).with_name("airflow_bag.py")
    command = [str(AIRFLOW / "bin/python"), str(script), str(DAGS), str(folder / "bag.json")]
    environment = {"AIRFLOW_HOME": str(folder), "SALES_FORECAST_TIMEZONE": "Europe/Paris"}
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads((folder / "bag.json").read_text())
    return found


@with_airflow
def test_all_dags_load_and_none_imports_the_project(bag: dict[str, Any]) -> None:
    assert bag["errors"] == {}
    assert bag["imported"] == []
    assert set(bag["dags"]) == {"turnover", "marketing", "refresh", "monitor", "retrain", "maintenance"}


@with_airflow
def test_each_task_is_retried_limited_in_time_and_told_of(bag: dict[str, Any]) -> None:
    for dag in bag["dags"].values():
        assert (dag["max_active_runs"], dag["catchup"]) == (1, False)
        for task in dag["tasks"].values():
            assert (task["retries"], task["backoff"], task["tells"]) == (3, 2.0, ["tell_failure"])
            assert 0 < task["hours"] <= 4


@with_airflow
@pytest.mark.parametrize(("domain", "stages"), [("turnover", TURNOVER), ("marketing", TURNOVER[:-1])])
def test_a_domain_runs_stage_by_stage_in_one_run_of_mlflow(
    bag: dict[str, Any], domain: str, stages: list[str]
) -> None:
    tasks = bag["dags"][domain]["tasks"]
    assert set(tasks) == {"begin_tracking", *stages, "end_tracking"}
    assert tasks["eda_reporting"]["after"] == tasks["modelling"]["after"] == ["data_processing"]
    for earlier, later in pairwise(stages[2:]):
        assert tasks[later]["after"] == [earlier]
    assert tasks["end_tracking"]["after"] == sorted(["begin_tracking", "eda_reporting", stages[-1]])
    assert [name for name, task in tasks.items() if task["teardown"]] == ["end_tracking"]
    for stage in stages:
        expected = f".venv/bin/kedro run --pipelines {stage} --namespaces {domain} "
        assert tasks[stage]["command"].startswith(expected)
        assert tasks[stage]["env"]["MLFLOW_RUN_ID"] == "{{ ti.xcom_pull(task_ids='begin_tracking') }}"


@with_airflow
def test_the_weekly_run_starts_by_the_clock_and_by_deliveries(bag: dict[str, Any]) -> None:
    refresh = bag["dags"]["refresh"]
    assert {name: task["after"] for name, task in refresh["tasks"].items()} == {
        "deliver": [],
        "refresh": ["deliver"],
        "exceptions": ["refresh"],
        "monitor": ["refresh"],
    }
    assert "0 6 * * 1" in refresh["schedule"]
    assert "Europe/Paris" in refresh["schedule"]
    assert "name='delivery_accepted', uri='x-sales-forecast://delivery-accepted'" in refresh["schedule"]


@with_airflow
def test_no_dag_starts_because_one_of_its_times_has_passed_when_it_is_unpaused(bag: dict[str, Any]) -> None:
    timed = [dag["schedule"] for dag in bag["dags"].values() if "Cron" in dag["schedule"]]
    assert len(timed) == 5
    assert all("run_immediately=datetime.timedelta(0)" in schedule for schedule in timed)
    assert not any(dag["start_date"] for dag in bag["dags"].values())


@with_airflow
def test_a_run_takes_the_folder_of_whoever_started_it(bag: dict[str, Any]) -> None:
    assert bag["folders"] == {
        "by hand": "/in/by hand",
        "by events": "/in/newer",
        "by an event without a folder": "/in/2017-07-17",
        "by the clock": "/in/2017-07-10",  # in Paris
    }


@with_airflow
def test_a_backup_comes_before_anything_is_removed(bag: dict[str, Any]) -> None:
    tasks = bag["dags"]["maintenance"]["tasks"]
    assert {name: task["after"] for name, task in tasks.items()} == {
        "backup": [],
        "retention": ["backup"],
        "purge_audit_log": ["retention"],
    }
    assert (
        tasks["backup"]["command"] == "bash deploy/backup.sh "
    )  # with a space, else it is a template's name


# --- whole runs


@contextmanager
def started(
    command: list[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A command of Airflow in the environment of deploy/airflow; nothing that it has started is left."""
    script = 'source deploy/airflow/environment.sh && exec "$@"'
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            cwd=REPOSITORY,
            env=os.environ | dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    family: dict[int, psutil.Process] = {}
    try:
        yield process
    finally:
        for _ in range(2):  # once more for what was being started
            if process.poll() is None or family:
                family |= {one.pid: one for one in _descendants(process.pid)}
            for one in family.values():
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        process.kill()
        process.wait()


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


@pytest.fixture(scope="session")
def migrated(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The home of an Airflow whose database has tables and nothing in them."""

    def migrate(folder: Path) -> None:
        folder.mkdir()
        log = folder / "migrate.log"
        with started(["airflow", "db", "migrate"], {"AIRFLOW_HOME": str(folder)}, log) as process:
            assert process.wait(300) == 0, log.read_text()[-3000:]

    return made_once("airflow", migrate)


def new_home(migrated: Path, folder: Path) -> dict[str, str]:
    """Variables for an Airflow of its own."""
    shutil.copytree(migrated, folder)
    return {
        "AIRFLOW_HOME": str(folder),
        "SALES_FORECAST_RETRY_SECONDS": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": f"{folder}/logs",
    }


@dataclass(frozen=True)
class Scheduled:
    """A project on the sample, whose DAGs ``airflow dags test`` runs."""

    project: Project
    environment: dict[str, str]

    @contextmanager
    def started(self, dag: str, *options: str) -> Iterator[Callable[[], str]]:
        log = Path(self.environment["AIRFLOW_HOME"]) / f"{dag}.log"
        with started(["airflow", "dags", "test", dag, *options], self.environment, log) as process:

            def finish() -> str:
                code = process.wait(900)
                assert code == 0, log.read_text()[-6000:]
                return log.read_text()

            yield finish

    def tracked(self) -> list[Run]:
        client = MlflowClient(tracking_uri=f"sqlite:///{self.project.folder}/mlflow.db")
        return list(client.search_runs(["1"], order_by=["attributes.start_time"]))


def new_scheduled(migrated: Path, folder: Path) -> Scheduled:
    project = copy_small(folder / "project")
    (project.folder / ".venv").symlink_to(sys.prefix)
    environment = new_home(migrated, folder / "airflow") | {
        "SALES_FORECAST_PROJECT": str(project.folder),
        "SALES_FORECAST_DATABASE_URL": f"sqlite:///{project.folder}/sales_forecast.db",
        "PYTHONPATH": str(project.folder / "src"),
    }
    return Scheduled(project, environment)


def has_one_run(shop: Scheduled, domain: str) -> None:
    """See that all tasks of a domain have logged to one run, and that its model serves."""
    (run,) = shop.tracked()
    assert run.info.status == "FINISHED"
    assert run.info.run_name.startswith(f"{domain} manual__")
    assert f"data_version.{domain}" in run.data.tags
    assert any(key.startswith(f"{domain}.") for key in run.data.metrics)
    client = MlflowClient(tracking_uri=f"sqlite:///{shop.project.folder}/mlflow.db")
    champion = Registry(client, f"sales_forecast.{domain}").champion()
    assert champion is not None
    assert champion.run_id == run.info.run_id


@with_airflow
@pytest.mark.xdist_group("airflow")
def test_both_domains_and_then_a_new_week_run_from_end_to_end(
    copied: object, migrated: Path, tmp_path: Path
) -> None:
    turnover, marketing = (new_scheduled(migrated, tmp_path / name) for name in ("turnover", "marketing"))
    inbox = shutil.copytree(turnover.project.path("01_raw"), tmp_path / "in box")
    with marketing.started("marketing") as finish_marketing:
        with turnover.started("turnover") as finish:
            finish()
        has_one_run(turnover, "turnover")
        assert turnover.project.path("07_model_output/turnover/forecasts.parquet").exists()
        report = turnover.project.path("08_reporting/data_science.html").read_text()
        assert 'id="turnover-drift"' in report
        with turnover.started("refresh", "--conf", json.dumps({"folder": str(inbox)})) as finish:
            assert "accepted" in finish()
        assert [run.info.status for run in turnover.tracked()] == ["FINISHED", "FINISHED"]
        finish_marketing()
    has_one_run(marketing, "marketing")
    assert marketing.project.path("07_model_output/marketing/budget_curve.parquet").exists()


# --- a real scheduler

FAKE = """#!/bin/bash
printf '%s|%s|%s\\n' "${0##*/} $*" "$FOLDER" "$MLFLOW_RUN_ID" >>calls
case "$*" in
    "runs begin"*) echo "a line before it"; echo "run-1" ;;
    "deliver "*"/held") exit 3 ;;
    *"--pipelines modelling"*) exit 3 ;;
    *"--pipelines refresh"*) [ -e failed_once ] || { touch failed_once; exit 1; } ;;
esac
"""


@dataclass(frozen=True)
class Live:
    """A running Airflow, and what the project's programs were called with."""

    api: httpx.Client
    folder: Path
    webhook_log: Path

    def get(self, path: str) -> dict[str, Any]:
        answer = self.api.get(path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.api.post(path, json=body)
        assert answer.status_code in {200, 201}, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """All runs of a DAG, the first one first."""
        return list(self.get(f"dags/{dag}/dagRuns?order_by=id")["dag_runs"])

    def after(self, dag: str, kind: str, start: Callable[[], object], count: int = 1) -> list[dict[str, Any]]:
        """The runs of a kind that something has started, once they have ended."""
        before, deadline = len(self.runs(dag)), time.monotonic() + 300
        start()
        while True:
            new = [run for run in self.runs(dag)[before:] if run["run_type"] == kind]
            if len(new) == count and all(run["state"] in {"success", "failed"} for run in new):
                return new
            assert time.monotonic() < deadline, (new, (self.folder / "standalone.log").read_text()[-5000:])
            time.sleep(0.5)

    def tasks(self, dag: str, run: dict[str, Any]) -> dict[str, tuple[str, int]]:
        """State and tries of each task."""
        found = self.get(f"dags/{dag}/dagRuns/{run['dag_run_id']}/taskInstances")["task_instances"]
        return {task["task_id"]: (task["state"], task["try_number"]) for task in found}

    def calls(self) -> list[list[str]]:
        """Each call: words, folder and run of MLflow."""
        return [line.split("|") for line in (self.folder / "project" / "calls").read_text().splitlines()]


@pytest.fixture(scope="module")
def live(copied: object, migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """``airflow standalone`` on loopback, as docs/airflow.md starts it, over programs that only take notes."""
    folder = tmp_path_factory.mktemp("live")
    programs = folder / "project" / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("kedro", "sales-forecast"):
        (programs / name).write_text(FAKE)
        (programs / name).chmod(0o755)
    api, workers, triggerer, webhook = (str(free_port()) for _ in range(4))
    environment = new_home(migrated, folder / "airflow") | {
        "AIRFLOW__API__PORT": api,
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": workers,
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": triggerer,
        "SALES_FORECAST_PROJECT": str(folder / "project"),
        "SALES_FORECAST_INBOX": "/in/%Y-%m-%d",
        "SALES_FORECAST_TIMEZONE": "Europe/Paris",
        "SALES_FORECAST_ALERT_WEBHOOK": f"http://127.0.0.1:{webhook}/ticket",
    }
    receiver = [sys.executable, str(REPOSITORY / "deploy/monitoring/receiver.py"), webhook]
    url = f"http://127.0.0.1:{api}"
    with (
        started(receiver, {}, folder / "webhook.log"),
        started(["airflow", "standalone"], environment, folder / "standalone.log") as process,
        httpx.Client(base_url=f"{url}/api/v2/", timeout=30) as client,
    ):
        passwords = folder / "airflow" / "simple_auth_manager_passwords.json.generated"

        def is_ready() -> bool:
            try:
                health = client.get("monitor/health").json()
            except httpx.TransportError:
                return False
            return all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor"))

        def until(holds: Callable[[], bool]) -> None:
            deadline = time.monotonic() + 300
            while not holds():
                log = (folder / "standalone.log").read_text()
                assert process.poll() is None, log[-5000:]
                assert time.monotonic() < deadline, log[-5000:]
                time.sleep(0.5)

        until(is_ready)
        login = {"username": "admin", "password": json.loads(passwords.read_text())["admin"]}
        token = httpx.post(f"{url}/auth/token", json=login).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        until(lambda: client.get("dags").json()["total_entries"] == 6)
        for dag in ("refresh", "marketing"):
            assert client.patch(f"dags/{dag}", json={"is_paused": False}).status_code == 200
        yield Live(client, folder, folder / "webhook.log")


def event(live: Live, folder: str) -> Callable[[], object]:
    """What tells Airflow that a folder has come."""
    (asset,) = live.get("assets?name_pattern=delivery_accepted")["assets"]
    body = {"asset_id": asset["id"], "extra": {"folder": folder}}
    return lambda: live.post("assets/events", body)


@with_airflow
@pytest.mark.xdist_group("airflow live")
def test_an_event_starts_the_weekly_run_on_its_folder_and_a_failed_task_is_tried_again(live: Live) -> None:
    folder = "/in/second week"
    (run,) = live.after("refresh", "asset_triggered", event(live, folder))
    assert run["state"] == "success"
    assert live.tasks("refresh", run) == {
        "deliver": ("success", 1),
        "refresh": ("success", 2),
        "exceptions": ("success", 1),
        "monitor": ("success", 1),
    }
    words = [call[0] for call in live.calls() if call[1] == folder]
    assert words[0] == f"sales-forecast deliver --held-exit-code 3 -- {folder}"
    assert words[1:3] == [f"kedro run --pipelines refresh --params raw_folder={folder}"] * 2
    assert sorted(words[3:]) == ["sales-forecast exceptions", "sales-forecast monitor"]


@with_airflow
@pytest.mark.xdist_group("airflow live")
def test_a_held_delivery_is_not_tried_again_and_somebody_is_told_once(live: Live) -> None:
    (run,) = live.after("refresh", "asset_triggered", event(live, "/in/held"))
    assert run["state"] == "failed"
    tasks = live.tasks("refresh", run)
    assert tasks["deliver"] == ("failed", 1)
    assert tasks["refresh"][0] == "upstream_failed"
    told = live.webhook_log.read_text()
    assert told.count("ticket: firing: AirflowTaskFailed: refresh: the task deliver has failed") == 1
    assert "A person has to decide" in told


@with_airflow
@pytest.mark.xdist_group("airflow live")
def test_past_weeks_are_run_again_one_by_one_from_their_folders(live: Live) -> None:
    asked = {"dag_id": "refresh", "from_date": "2017-07-03T00:00:00Z", "to_date": "2017-07-11T00:00:00Z"}
    body = asked | {"max_active_runs": 1}
    runs = live.after("refresh", "backfill", lambda: live.post("backfills", body), count=2)
    assert [run["state"] for run in runs] == ["success", "success"]
    folders = [call[1] for call in live.calls() if call[0].startswith("sales-forecast deliver")]
    assert [one for one in folders if "2017" in one] == ["/in/2017-07-03", "/in/2017-07-10"]


@with_airflow
@pytest.mark.xdist_group("airflow live")
def test_a_stage_that_fails_fails_its_dag_and_its_run_of_mlflow(live: Live) -> None:
    asked = {"logical_date": None, "conf": {"folder": "/in/campaigns"}}
    (run,) = live.after("marketing", "manual", lambda: live.post("dags/marketing/dagRuns", asked))
    assert run["state"] == "failed"
    tasks = live.tasks("marketing", run)
    assert tasks["eda_reporting"] == ("success", 1)
    assert tasks["modelling"] == ("failed", 1)
    assert tasks["end_tracking"] == ("success", 1)
    assert {state for state, _ in (tasks["evaluation"], tasks["inference"])} == {"upstream_failed"}
    calls = [call for call in live.calls() if call[1] == "/in/campaigns"]
    assert calls[0][0] == f"sales-forecast runs begin marketing {run['dag_run_id']}"
    assert calls[-1][0] == "sales-forecast runs end run-1 FAILED"
    assert {call[2] for call in calls[1:]} == {"run-1"}
