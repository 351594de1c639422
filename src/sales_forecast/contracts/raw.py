"""What the retailer's files must look like, by the names of their columns.

Which *rows* are good is decided by the reading nodes, because those may also set bad rows aside. What is
wrong with a header, a separator or an encoding is described in ``headers``.
"""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw
from narwhals.typing import IntoFrame

from sales_forecast.contracts.headers import why_not_these_columns
from sales_forecast.errors import InputError


class DataContractError(InputError):
    """A file or table is not what it must be; the message says what, where, how many and what to do."""


class RawTable:
    """A raw file has rows, and every column that the configuration names, once.

    Works on any frame narwhals knows (pandas, polars, DuckDB, Spark).

    Args:
        file: How the file is called in messages; None for a file that the retailer does not have.
        columns: Name inside the project -> name in the file; None for what the file does not have.
        reading: Where ``globals.yml`` says how the file is read, such as ``turnover.read_csv``.
    """

    def __init__(self, file: str | None, columns: Mapping[str, str | None], reading: str) -> None:
        self._file = file
        self._reading = reading
        self._columns = {name: given for name, given in columns.items() if given is not None}

    def validate(self, data: IntoFrame | None) -> IntoFrame | None:
        """Return the data unchanged.

        Raises:
            DataContractError: A column is missing or there more than once, or there is no row at all.
        """
        if data is None:
            return None
        frame = nw.from_native(data).lazy()
        present = frame.collect_schema().names()
        if reason := why_not_these_columns(present, self._columns.values(), self._reading):
            raise DataContractError(f"{self._file}: {reason}")
        missing = [name for name in self._columns.values() if name not in present]
        if missing:
            raise DataContractError(
                f"{self._file}: {len(missing)} column(s) missing: {', '.join(missing)}. The file has: "
                f"{', '.join(present)}. Fix the file, or say what your columns are called, null "
                "for one you do not have, under 'columns' in globals.yml of your environment (conf/local/ "
                "without --env)."
            )
        if frame.head(1).collect().is_empty():
            raise DataContractError(f"{self._file}: the file has a header but no rows.")
        return data
