"""Tables that Spark writes as folders of Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from kedro.io import AbstractDataset

from sales_forecast.atomic import whole_folder
from sales_forecast.places import Place, exists, join, open_place

COMPLETE = "_SUCCESS"
"""Empty file that Spark removes before it writes over a folder, and writes when all others are there."""


class SparkParquetDataset(AbstractDataset[Any, Any]):
    """A folder of Parquet files that Spark writes beside the old one, which it then takes the place of.

    In object storage, no folder takes the place of another one. There Spark writes over the old one, and the
    table is there once Spark has said that it is complete.

    Args:
        filepath: The folder: a path on this machine or on a disk that all machines of the cluster share, or a
            URL that Spark and fsspec can open, such as ``s3://bucket/data/sales``.
        load_as: Whether it is read as a Spark table, or as a pandas one in the order it was written in.
        metadata: For kedro-viz.
    """

    def __init__(
        self,
        *,
        filepath: str,
        load_as: Literal["spark", "pandas"] = "spark",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._place: Place = filepath if "://" in filepath else Path(filepath)
        self._load_as = load_as
        self.metadata = metadata

    def load(self) -> Any:
        """Return the table."""
        if not self._exists():
            raise FileNotFoundError(f"No such folder: {self._place}")
        if self._load_as == "pandas":
            import pandas as pd

            table = pd.read_parquet(self._place)
            times = table.select_dtypes("datetime").columns  # Spark's have microseconds, ours nanoseconds
            return table.astype(dict.fromkeys(times, "datetime64[ns]"))
        from pyspark.sql import SparkSession

        return SparkSession.builder.getOrCreate().read.parquet(_url(self._place))

    def save(self, data: Any) -> None:
        """Write beside the old folder, then take its place; in object storage, write over it."""
        if isinstance(self._place, Path):
            with whole_folder(self._place) as part:
                data.write.mode("overwrite").parquet(_url(part))
        else:
            data.write.mode("overwrite").parquet(self._place)
            open_place(self._place)[0].invalidate_cache()  # which knows the files of the old table

    def _exists(self) -> bool:
        if isinstance(self._place, Path):
            return self._place.is_dir()
        return exists(join(self._place, COMPLETE))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._place), "load_as": self._load_as}


def _url(place: Place) -> str:
    """Name a folder as Spark does, which takes a path without scheme for one on its default storage."""
    return place.absolute().as_uri() if isinstance(place, Path) else place
