"""What the report says about rows that were set aside."""

import pandas as pd

from sales_forecast.pipelines.eda_reporting.rejected_rows import describe_rejected


def test_rejected_rows_are_counted_by_reason_most_frequent_first():
    rejected = pd.DataFrame({"row": [2, 3, 9], "reason": ["no number", "negative", "negative"]})

    assert describe_rejected(rejected, "turnover.rejected") == (
        "**3 rows** of the file could not be used: negative (2); no number (1). "
        "The table turnover.rejected lists them.",
    )
    assert describe_rejected(rejected.head(1), "x")[0].startswith("**1 row** of")


def test_nothing_is_said_where_no_row_was_rejected():
    assert describe_rejected(pd.DataFrame({"row": [], "reason": []}), "turnover.rejected") == ()
