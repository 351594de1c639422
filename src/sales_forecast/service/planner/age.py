"""Whether forecasts are so old that a planner should not rely on them."""

from __future__ import annotations

from datetime import date, timedelta

from sales_forecast.service.planner.words import day
from sales_forecast.storage.queries import Run

WEEK, LAST_DAY = timedelta(weeks=1), timedelta(days=6)


def old_data_told(run: Run, today: date, allowed_days: float) -> str:
    """Tell that forecasts are old; empty if they are not.

    They are old if their first week was over, or if they were made, longer ago than ``/ready`` allows.

    Args:
        run: The publication.
        today: Present day.
        allowed_days: ``forecasts_older_than_days`` of the settings.
    """
    allowed = timedelta(days=allowed_days)
    if run.cutoff is not None and today - (over := run.cutoff + WEEK + LAST_DAY) > allowed:
        return (
            f"These forecasts are old: the data end on {day(run.cutoff + LAST_DAY)}, and the first week that "
            f"is forecast was over on {day(over)}"
        )
    if today - run.made_at.date() > allowed:
        return f"These forecasts are old: they were made on {day(run.made_at)}"
    return ""
