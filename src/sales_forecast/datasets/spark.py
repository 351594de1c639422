"""Tables that Spark writes as folders of Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from kedro.io import AbstractDataset

from sales_forecast.atomic import whole_folder


class SparkParquetDataset(AbstractDataset[Any, Any]):
    """A folder of Parquet files that Spark writes beside the old one, which it then takes the place of.

    Args:
        filepath: The folder: local, or one that all machines of the cluster share.
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
        self._filepath = Path(filepath)
        self._load_as = load_as
        self.metadata = metadata

    def load(self) -> Any:
        """Return the table."""
        if not self._exists():
            raise FileNotFoundError(f"No such folder: {self._filepath.as_posix()}")
        if self._load_as == "pandas":
            import pandas as pd

            table = pd.read_parquet(self._filepath)
            times = table.select_dtypes("datetime").columns  # Spark's have microseconds, ours nanoseconds
            return table.astype(dict.fromkeys(times, "datetime64[ns]"))
        from pyspark.sql import SparkSession

        return SparkSession.builder.getOrCreate().read.parquet(self._filepath.absolute().as_uri())

    def save(self, data: Any) -> None:
        """Write beside the old folder, then take its place."""
        with whole_folder(self._filepath) as part:
            data.write.mode("overwrite").parquet(part.absolute().as_uri())

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath.as_posix(), "load_as": self._load_as}
