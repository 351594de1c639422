"""What Airflow runs: one row for each DAG. docs/airflow.md explains them."""

import os

from sales_forecast_factory import ASK_A_PERSON, DELIVERY_ACCEPTED, INBOX, Step, Work, make_dag
from sales_forecast_runners import Runner

RAW = '${FOLDER:+--params "raw_folder=$FOLDER"}'
BACKUP = os.environ.get("SALES_FORECAST_BACKUP", "bash deploy/backup.sh")


def stage(name: str, domain: str, **options: object) -> Step:
    """One stage of one domain."""
    words = f"kedro run {{conf}} --pipelines {name} --namespaces {domain} {RAW}"
    return Step(name, words, part="processor" if name == "data_processing" else "trainer", **options)


def stages(domain: str, *last: str) -> tuple[Step, ...]:
    """All stages of a domain; the questions of eda_reporting are answered beside the rest."""
    return (
        stage("data_processing", domain),
        stage("eda_reporting", domain),
        stage("modelling", domain, after=("data_processing",)),
        *(stage(name, domain) for name in ("evaluation", "registration", "inference", *last)),
    )


DAGS = [
    Work(
        "turnover",
        "All methods of turnover compete: a whole run, stage by stage",
        stages("turnover", "monitoring"),
        one_run=True,
    ),
    Work(
        "marketing",
        "All methods of marketing compete: a whole run, stage by stage",
        stages("marketing"),
        cron="0 7 1 * *",
        one_run=True,
    ),
    Work(
        "refresh",
        "A new week: check the delivery, fit the model that serves, forecast, publish",
        (
            Step(
                "deliver",
                f'sales-forecast deliver {{conf}} --held-exit-code {ASK_A_PERSON} -- "$FOLDER"',
                part="processor",
                hours=0.5,
            ),
            Step("refresh", f"kedro run {{conf}} --pipelines refresh {RAW}"),
            Step("exceptions", "sales-forecast exceptions {conf}", hours=0.5, tells_only=True),
            Step("monitor", "sales-forecast monitor {conf}", ("refresh",), hours=0.5, tells_only=True),
        ),
        cron="0 6 * * 1",
        asset=DELIVERY_ACCEPTED,
        inbox=INBOX,
    ),
    Work(
        "monitor",
        "Are the forecasts still right? Fails once if the newest week has an alarm",
        (Step("monitor", "sales-forecast monitor {conf} --fail-on alarm", hours=0.5),),
        cron="0 8 * * *",
    ),
    Work(
        "retrain",
        "All methods compete if the monitoring asks for it; else nothing is done",
        (Step("retrain", "sales-forecast retrain {conf} --if-needed", hours=4),),
        cron="0 22 * * *",
    ),
    Work(
        "maintenance",
        "Back up, then remove what is older than the configuration keeps it",
        (
            Step("backup", BACKUP, on_host=True),
            Step("retention", "sales-forecast retention {conf}"),
            Step("purge_audit_log", "sales-forecast audit purge {conf} --yes"),
        ),
        cron="0 3 * * 0",
    ),
]

for work in DAGS:
    globals()[work.name] = make_dag(work, Runner.from_environment(os.environ))
