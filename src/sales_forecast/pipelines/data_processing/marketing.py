"""Marketing: from the file of campaigns to TV budgets and the sales that came with them.

The source states no unit, neither for budgets nor for sales: both stay in the units of the file.
"""

from __future__ import annotations

import narwhals as nw
from narwhals.typing import IntoFrame

from sales_forecast.contracts import DataContractError
from sales_forecast.pipelines.data_processing.params import ReadMarketingParams
from sales_forecast.pipelines.data_processing.rows import OnBad, assert_no_row_lost, settle, with_row_numbers
from sales_forecast.pipelines.data_processing.rules import Rule, rules_for_numbers
from sales_forecast.pipelines.data_processing.values import Frame, as_number

MIN_CAMPAIGNS = 10
"""With fewer, a fifth for testing is less than two."""


def read_budgets(raw_budgets: IntoFrame, read: ReadMarketingParams) -> tuple[IntoFrame, IntoFrame]:
    """Type the campaigns and part good rows from bad ones.

    A campaign has no name in the file, so one that repeats both numbers of an earlier one is taken for
    the same campaign entered twice: it would count double, and tell the test what training knows.

    Args:
        raw_budgets: One row a campaign, TV budget and sales in the units of the file.
        read: File, columns, and whether bad rows stop the run.

    Returns:
        ``tv, sales`` as numbers in the order of the file, and the rejected rows as text with their line
        in the file and the reason.

    Raises:
        DataContractError: There are bad rows and ``bad_rows`` is ``stop``, or the good ones are too few
            or too alike to learn from.
    """
    frame = with_row_numbers(raw_budgets, read.columns)
    rules = [rule for column in ("tv", "sales") for rule in rules_for_numbers(frame, column)]
    on_bad = OnBad(
        set_aside=read.bad_rows == "set_aside",
        remedy=(
            "Fix the file, or set such rows aside with marketing.read.bad_rows: set_aside "
            "(they go to data/02_intermediate/marketing/rejected.parquet, with the reason)."
        ),
    )
    good, rejected = settle(
        frame,
        [*rules, *(_negative_rule(frame, column) for column in ("tv", "sales"))],
        keys=["tv", "sales"],
        file=read.file,
        columns=read.columns,
        on_bad=on_bad,
    )
    assert_no_row_lost(frame, good, rejected, read.file)
    budgets = good.select(as_number(good, "tv"), as_number(good, "sales"))
    _assert_enough(budgets, read.file)
    return budgets.to_native(), rejected.to_native()


def _negative_rule(frame: Frame, column: str) -> Rule:
    if frame.collect_schema()[column].is_numeric():
        return Rule(column, "are negative", nw.col(column) < 0)
    return Rule(column, "are negative", nw.col(column).cast(nw.String).str.strip_chars().str.starts_with("-"))


def _assert_enough(budgets: Frame, file: str) -> None:
    count, different_tv, different_sales = (
        budgets.lazy()
        .select(
            nw.len().alias("rows"),
            nw.col("tv").n_unique().alias("tv"),
            nw.col("sales").n_unique().alias("sales"),
        )
        .collect()
        .row(0)
    )
    if count < MIN_CAMPAIGNS or min(different_tv, different_sales) < 2:
        raise DataContractError(
            f"{file}: {count} good campaign(s) with {different_tv} different TV budget(s) and "
            f"{different_sales} different sales. To learn from them takes at least {MIN_CAMPAIGNS} "
            "campaigns that are not all alike. Add campaigns to the file."
        )
