"""Makes a DAG of Airflow from a row of the table in sales_forecast_dags.py. Never imports sales_forecast."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import Request, urlopen
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable, Param
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from sales_forecast_runners import Runner

ASK_A_PERSON = 3
"""Exit code of a command that has found what a person has to decide about. Trying again would not help."""

TIME_ZONE = os.environ.get("SALES_FORECAST_TIMEZONE", "UTC")
INBOX = os.environ.get("SALES_FORECAST_INBOX", "data/01_raw")
POOL = os.environ.get("SALES_FORECAST_POOL", "default_pool")
RETRY_SECONDS = float(os.environ.get("SALES_FORECAST_RETRY_SECONDS", "300"))
WEBHOOK = "SALES_FORECAST_ALERT_WEBHOOK"

DELIVERY_ACCEPTED = Asset(name="delivery_accepted", uri="x-sales-forecast://delivery-accepted")
"""An event of it, which may name a folder as {"folder": ...}, starts the DAGs that wait for it."""

BEGIN, END = "begin_tracking", "end_tracking"


@dataclass(frozen=True)
class Step:
    """One task.

    Args:
        name: Of the task.
        words: Its command. ``{conf}`` becomes the option ``--env``, or nothing.
        after: Tasks before it; None for the step before it in the row.
        part: The image that it needs, ``processor`` or ``trainer``.
        hours: It is stopped after so many, the wait for another run in the same project included.
        tells_only: Whether the work is done without it: its failure is seen in its log and nowhere else.
        on_host: Whether it runs in the project's folder whatever the runner is.
    """

    name: str
    words: str
    after: tuple[str, ...] | None = None
    part: str = "trainer"
    hours: float = 2
    tells_only: bool = False
    on_host: bool = False


@dataclass(frozen=True)
class Work:
    """One DAG.

    Args:
        name: Of the DAG.
        about: What it does, for the user interface.
        steps: Its tasks.
        cron: When it starts, in the time zone of ``SALES_FORECAST_TIMEZONE``; None: by hand only.
        asset: What also starts it.
        inbox: Folder of the raw files if neither run nor event names one; in it, ``%Y`` and the like become
            the date of the run. Empty: what the project's configuration says.
        one_run: Whether all tasks log to one run of MLflow.
    """

    name: str
    about: str
    steps: tuple[Step, ...]
    cron: str | None = None
    asset: Asset | None = None
    inbox: str = ""
    one_run: bool = False


class Command(BashOperator):
    """A command of the project. It fails for good with the exit code that asks a person."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(skip_on_exit_code=ASK_A_PERSON, append_env=True, **kwargs)

    def execute(self, context: Any) -> Any:
        """Run it."""
        try:
            return super().execute(context)
        except AirflowSkipException as asked:
            raise AirflowFailException(
                "A person has to decide: the log says about what. It is not tried again."
            ) from asked


def delivery_folder(inbox: str, params: Mapping[str, Any], events: Mapping[Any, Any], dag_run: Any) -> str:
    """Folder of the raw files: the one named by hand, else by the newest event, else the inbox."""
    if params.get("folder"):
        return str(params["folder"])
    named = [event for each in events for event in events[each] if (event.extra or {}).get("folder")]
    if named:
        return str(max(named, key=lambda event: event.timestamp).extra["folder"])
    moment = dag_run.logical_date or dag_run.run_after
    return str(moment.astimezone(ZoneInfo(TIME_ZONE)).strftime(inbox))


def final_status(ti: Any, dag_run: Any) -> str:
    """How the run of MLflow has ended, by the states of the tasks that logged to it."""
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[dag_run.run_id])[dag_run.run_id]
    others = [state for name, state in states.items() if name not in {BEGIN, END}]
    return "FINISHED" if all(state == "success" for state in others) else "FAILED"


def tell_failure(context: Any) -> None:
    """Post a failed task to the webhook, in the words of Alertmanager; without a webhook nobody is told."""
    address = os.environ.get(WEBHOOK)
    if not address:
        return
    ti = context["ti"]
    labels = {"alertname": "AirflowTaskFailed", "severity": "ticket", "job": "airflow"}
    labels |= {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id}
    told = {
        "summary": f"{ti.dag_id}: the task {ti.task_id} has failed",
        "description": f"Try {ti.try_number} of run {ti.run_id}: {context.get('exception')}",
        "runbook": "docs/airflow.md#when-a-task-has-failed",
    }
    alert = {"status": "firing", "labels": labels, "annotations": told}
    alert |= {"startsAt": datetime.now(UTC).isoformat(), "generatorURL": ti.log_url}
    message = {"version": "4", "status": "firing", "receiver": "ticket", "alerts": [alert]}
    content = {"Content-Type": "application/json"}
    with urlopen(Request(address, json.dumps(message).encode(), content), timeout=10):
        pass


DEFAULTS = {
    "retries": 3,
    "retry_delay": timedelta(seconds=RETRY_SECONDS),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(hours=1),
    "on_failure_callback": tell_failure,
    "pool": POOL,
}


def make_dag(work: Work, runner: Runner) -> DAG:
    """Make the DAG of a row."""
    dag = DAG(
        work.name,
        description=work.about,
        schedule=_schedule(work),
        catchup=False,
        max_active_runs=1,
        default_args=DEFAULTS,
        params={"folder": Param(None, type=["null", "string"], description="Folder of the raw files.")},
        user_defined_macros={"inbox": work.inbox, "folder": delivery_folder, "final_status": final_status},
        tags=["sales_forecast"],
    )
    variables = {
        "FOLDER": "{{ folder(inbox, params, triggering_asset_events, dag_run) }}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "KEDRO_DISABLE_TELEMETRY": "1",
    }
    if work.one_run:
        variables |= {
            "MLFLOW_RUN_ID": f"{{{{ ti.xcom_pull(task_ids='{BEGIN}') }}}}",
            "MLFLOW_RUN_NAME": "{{ dag.dag_id }} {{ run_id }}",
        }
    with dag:
        tasks = {step.name: _task(step, runner, variables) for step in work.steps}
        previous: tuple[str, ...] = ()
        for step in work.steps:
            for name in previous if step.after is None else step.after:
                tasks[name] >> tasks[step.name]
            previous = (step.name,)
        if work.one_run:
            _track_as_one(dag, runner, variables)
    return dag


def _schedule(work: Work) -> Any:
    if work.cron is None:
        return work.asset
    # Else a DAG that is unpaused soon after one of its times would start at once, as if it had been late.
    clock = CronTriggerTimetable(work.cron, timezone=TIME_ZONE, run_immediately=timedelta())
    return clock if work.asset is None else AssetOrTimeSchedule(timetable=clock, assets=[work.asset])


def _task(step: Step, runner: Runner, variables: dict[str, str]) -> Command:
    # The space: Airflow takes a command that ends in .sh for the name of a template.
    command = f"{step.words} " if step.on_host else runner.command(step.words, step.part)
    return Command(
        task_id=step.name,
        bash_command=f"{{ {command}; }} || true" if step.tells_only else command,
        env=variables,
        cwd=runner.project,
        execution_timeout=timedelta(hours=step.hours),
        do_xcom_push=False,
    )


def _track_as_one(dag: DAG, runner: Runner, variables: dict[str, str]) -> None:
    """Begin a run of MLflow before the first task, and end it after the last one, whatever happened.

    As set-up and tear-down of Airflow: a task that is cleared begins a new run, and the DAG has failed if one
    of its stages has, although its last task has not.
    """
    first, last = dag.roots, dag.leaves
    shared = {"cwd": runner.project, "execution_timeout": timedelta(minutes=15)}
    begin = Command(
        task_id=BEGIN,
        bash_command=runner.command('sales-forecast runs begin {conf} "$MLFLOW_RUN_NAME"', "processor"),
        env={name: value for name, value in variables.items() if name != "MLFLOW_RUN_ID"},
        **shared,
    )
    end = Command(
        task_id=END,
        bash_command=runner.command(
            'sales-forecast runs end {conf} "$MLFLOW_RUN_ID" "$MLFLOW_STATUS"', "processor"
        ),
        env=variables | {"MLFLOW_STATUS": "{{ final_status(ti, dag_run) }}"},
        do_xcom_push=False,
        **shared,
    )
    begin >> first
    last >> end.as_teardown(setups=begin)
