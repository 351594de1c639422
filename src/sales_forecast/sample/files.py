"""Write the sample as the raw files of a retailer."""

import gzip
import io
from pathlib import Path

import pandas as pd

from sales_forecast.atomic import whole_file
from sales_forecast.sample.marketing import make_marketing
from sales_forecast.sample.turnover import make_turnover


def write_sample(folder: Path) -> list[Path]:
    """Write the four sample files under ``folder`` and return their paths."""
    tables = {f"turnover/{k}.csv.gz": table for k, table in make_turnover().items()}
    tables["marketing/tvmarketing.csv"] = make_marketing()
    for name, table in tables.items():
        _write_csv(table, folder / name)
    return [folder / name for name in tables]


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write under a temporary name, then move: a reader never meets half a file."""
    content = table.to_csv(index=False, lineterminator="\n").encode()
    if path.suffix == ".gz":
        packed = io.BytesIO()
        # no name and no time in the header, or each run would give other bytes
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
            file.write(content)
        content = packed.getvalue()
    with whole_file(path) as part:
        part.write_bytes(content)
