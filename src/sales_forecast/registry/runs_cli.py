"""``sales-forecast runs``: one tracked run for several commands, begun and ended by a scheduler."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Annotated

import typer

from sales_forecast.registry.cli import Environment

runs = typer.Typer(no_args_is_help=True, help="Begin and end a tracked run that several commands share.")


class Status(StrEnum):
    """How a run has ended, in MLflow's words."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@runs.command()
def begin(
    name: Annotated[str, typer.Argument(help="Name of the run, for people.")], env: Environment = "local"
) -> None:
    """Begin a tracked run and print its id; each ``kedro run`` with it in MLFLOW_RUN_ID logs to this run.

    Without tracking (``mlflow.required: false``, and the server does not answer) the line is empty.
    """
    from kedro.framework.session import KedroSession

    from sales_forecast.cli import told
    from sales_forecast.configuration import load_configuration
    from sales_forecast.project_root import project_root
    from sales_forecast.tracking import is_off

    run_id = ""
    with told():
        load_configuration(env)  # says what is wrong in one sentence
        logging.disable(logging.INFO)  # Kedro tells how it logs
        context = KedroSession.create(project_root(), env=env).load_context()
        logging.disable(logging.NOTSET)
        if not is_off():
            import mlflow

            experiment = mlflow.set_experiment(
                context.config_loader["mlflow"]["tracking"]["experiment"]["name"]
            )
            run_id = mlflow.MlflowClient().create_run(experiment.experiment_id, run_name=name).info.run_id
    typer.echo(run_id)


@runs.command()
def end(
    run: Annotated[str, typer.Argument(help="Id of the run, as 'begin' has printed it.")],
    status: Annotated[Status, typer.Argument(help="How it has ended.", case_sensitive=False)],
    env: Environment = "local",
) -> None:
    """End a tracked run, whatever the last command has left it as."""
    from sales_forecast.cli import told
    from sales_forecast.configuration import load_configuration
    from sales_forecast.registry.cli import open_tracking
    from sales_forecast.tracking import find_run

    if not run:
        typer.echo("There is no run to end: it was begun without tracking.")
        return
    with told():
        client = open_tracking(load_configuration(env))
        found = find_run(client, run)
        client.set_terminated(found.info.run_id, status.value)
    typer.echo(f"Run {run} ({found.info.run_name}) is {status.value}.")
