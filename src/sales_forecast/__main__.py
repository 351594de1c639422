"""``sales-forecast``, or ``python -m sales_forecast``: pipeline runs, and what is not one."""

import logging

import typer

from sales_forecast.aws.metrics import metrics
from sales_forecast.memory import limit_heaps
from sales_forecast.pipelines.cache_cli import cache
from sales_forecast.pipelines.changes_cli import changes
from sales_forecast.pipelines.deliveries_cli import deliver, deliveries
from sales_forecast.pipelines.exceptions_cli import exceptions
from sales_forecast.pipelines.ledger_cli import ledger
from sales_forecast.pipelines.monitor_cli import monitor
from sales_forecast.pipelines.retention_cli import retention
from sales_forecast.pipelines.retrain_cli import retrain
from sales_forecast.registry.cli import models
from sales_forecast.registry.runs_cli import runs
from sales_forecast.service.cli import ab, serve
from sales_forecast.service.staffing_cli import staffing
from sales_forecast.storage.audit_cli import audit
from sales_forecast.storage.cli import keys
from sales_forecast.storage.db_cli import db
from sales_forecast.storage.overrides_cli import overrides

app = typer.Typer(no_args_is_help=True, help="Serve forecasts, and look after models, keys and the record.")
app.command()(serve)
app.command()(deliver)
app.command()(retention)
app.command()(changes)
app.command()(exceptions)
app.command()(staffing)
app.command()(retrain)
app.command()(monitor)
GROUPS = {
    "deliveries": deliveries,
    "ledger": ledger,
    "overrides": overrides,
    "models": models,
    "runs": runs,
    "keys": keys,
    "audit": audit,
    "db": db,
    "ab": ab,
    "cache": cache,
    "metrics": metrics,
}
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


@app.callback()
def main() -> None:
    """Run pipelines, serve forecasts, and look after models, keys and the record of answers."""
    limit_heaps()
    logging.captureWarnings(True)  # what libraries warn of is for the log


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False
)
def run(context: typer.Context) -> None:
    """Run the pipelines as ``kedro run`` does, in the project or outside it: run --help."""
    logging.disable(logging.INFO)  # Kedro tells how it logs
    from kedro.framework.project import configure_project

    configure_project("sales_forecast")
    logging.disable(logging.NOTSET)
    from sales_forecast.cli import cli

    cli(["run", *context.args], prog_name=context.command_path.rpartition(" ")[0])


if __name__ == "__main__":
    app()
