"""What Airflow makes of deploy/airflow/dags, as JSON. Run by the Python of .venv-airflow."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

RUN = SimpleNamespace(logical_date=datetime(2017, 7, 9, 23, tzinfo=UTC), run_after=None)
ASSET_RUN = SimpleNamespace(logical_date=None, run_after=datetime(2017, 7, 17, 9, tzinfo=UTC))


def event(day: int, **extra: str) -> SimpleNamespace:
    return SimpleNamespace(timestamp=datetime(2017, 7, day, tzinfo=UTC), extra=extra)


def folders() -> dict[str, str]:
    """Which folder a run takes."""
    from sales_forecast_factory import delivery_folder

    events = {"delivery_accepted": [event(18, folder="/in/newer"), event(17, folder="/in/older"), event(19)]}
    asked: dict[str, tuple[dict[str, Any], dict[str, Any], Any]] = {
        "by hand": ({"folder": "/in/by hand"}, events, ASSET_RUN),
        "by events": ({"folder": None}, events, ASSET_RUN),
        "by an event without a folder": ({}, {"delivery_accepted": [event(19)]}, ASSET_RUN),
        "by the clock": ({}, {}, RUN),
    }
    return {name: delivery_folder("/in/%Y-%m-%d", *each) for name, each in asked.items()}


def main(folder: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag

    sys.path.insert(0, str(folder))
    bag = DagBag(folder, bundle_path=folder, bundle_name="deploy")
    dags = {
        dag.dag_id: {
            "schedule": str(dag.timetable),
            "max_active_runs": dag.max_active_runs,
            "catchup": dag.catchup,
            "start_date": str(dag.start_date or ""),
            "tasks": {
                task.task_id: {
                    "after": sorted(task.upstream_task_ids),
                    "command": task.bash_command,
                    "env": task.env,
                    "retries": task.retries,
                    "backoff": task.retry_exponential_backoff,
                    "hours": task.execution_timeout.total_seconds() / 3600,
                    "tells": [call.__name__ for call in task.on_failure_callback],
                    "teardown": task.is_teardown,
                }
                for task in dag.tasks
            },
        }
        for dag in bag.dags.values()
    }
    errors = {str(name): error for name, error in bag.import_errors.items()}
    imported = sorted(name for name in sys.modules if name.partition(".")[0] == "sales_forecast")
    found = {"errors": errors, "dags": dags, "imported": imported, "folders": folders()}
    Path(sys.argv[2]).write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
