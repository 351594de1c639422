"""``publish``: a processing job of SageMaker that publishes the weekly forecasts, if the container agrees.

The pipelines make the forecasts, as on any machine. Before they are published, they are compared with what
the batch transform has got from the container that answers requests.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click
import orjson
import pandas as pd

from sales_forecast.aws.project import open_catalog, project_copy, run_kedro, told
from sales_forecast.errors import InputError
from sales_forecast.places import open_place

MESSAGE = "/opt/ml/output/message"
"""File whose first kilobyte DescribeProcessingJob shows as ExitMessage."""

KEYS = ["store", "department", "week"]
COMPARED = ["forecast", "lo_80", "hi_80", "lo_95", "hi_95"]


def publish(predictions: str) -> None:
    """Forecast, compare and publish.

    Args:
        predictions: Path or URL of what the batch transform has written, or of the folder that it is in: on
            each line ``{"predictions": [...]}``.

    Raises:
        InputError: The container predicts something else; nothing is published then.
        click.ClickException: The pipelines have stopped; the message says why.
    """
    predicted = read_predictions(predictions)
    with project_copy():
        run_kedro({}, nodes="turnover.inference.make_forecasts")
        compare(open_catalog().load("turnover.model_forecasts"), predicted)
        run_kedro({}, pipelines="inference,monitoring")


def read_predictions(place: str) -> pd.DataFrame:
    """Read what a batch transform has got from the container.

    Args:
        place: Path or URL of its output, or of a folder that has it somewhere below: SageMaker may repeat
            folders of the input there. Between the answers of its requests it leaves lines empty.

    Returns:
        One row for each series and week.

    Raises:
        InputError: There is no output, or more than one.
    """
    files, folder = open_place(place)
    found = [name for name in files.find(folder) if name.endswith(".out")]
    if len(found) != 1:
        raise InputError(
            f"{place} must have one output of the batch transform, a file *.out, and has {len(found)}. "
            "Look at the log of the transform job"
        )
    with files.open(found[0], "rb") as file:
        rows = [row for line in file if line.strip() for row in orjson.loads(line)["predictions"]]
    return pd.DataFrame(rows)


def compare(forecasts: pd.DataFrame, predicted: pd.DataFrame) -> None:
    """Compare forecasts of the pipelines with those of the container, to the last digit.

    Args:
        forecasts: ``store, department, week`` and what is compared, as the pipelines make them.
        predicted: The same from the container, which also predicts weeks that nobody wants.

    Raises:
        InputError: One is missing or differs. Not if the model is older than the data: it then predicts
            other weeks, until a model is fitted on these.
    """
    if _cutoff(predicted) != _cutoff(forecasts):
        print("The model is older than the data, so the container predicts other weeks. Nothing is compared.")
        return
    wanted = forecasts.astype({"store": str, "department": str}).set_index(KEYS)[COMPARED]
    weeks = predicted.assign(week=pd.to_datetime(predicted["week"])).set_index(KEYS)
    found = weeks[COMPARED].reindex(wanted.index)
    differs = (found != wanted).any(axis="columns").to_numpy()
    if differs.any():
        store, department, week = wanted.index[differs][0]
        pair = found["forecast"][differs].iloc[0], wanted["forecast"][differs].iloc[0]
        raise InputError(
            f"{differs.sum():,} of {len(wanted):,} forecasts differ between the container and the pipelines, "
            f"such as store {store}, department {department}, week {week:%Y-%m-%d}: {pair[0]} and {pair[1]}. "
            "Nothing is published. Give both the same image"
        )


def _cutoff(table: pd.DataFrame) -> pd.Timestamp:
    """The last week that forecasts were made from."""
    first = table.iloc[0]
    return pd.Timestamp(first["week"]) - pd.Timedelta(weeks=int(first["horizon"]))


def main() -> None:
    """Publish with the output that the first argument names."""
    # the first process of a container would not be stopped by SIGTERM, and be killed two minutes later
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        publish(sys.argv[1])
    except (InputError, click.ClickException, click.Abort, KeyboardInterrupt) as error:
        message = told(error)
        if (file := Path(MESSAGE)).parent.is_dir():
            file.write_text(message[:1024], encoding="utf-8")
        sys.exit(f"Error: {message}")


if __name__ == "__main__":
    main()
