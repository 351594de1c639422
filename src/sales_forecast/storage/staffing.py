"""Staffing rules of the newest publication."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from sales_forecast.planning.staffing import StaffingRule
from sales_forecast.storage import schema

NO_RULES = "no staffing rules are published: publish with this version of sales_forecast (kedro run)"


@dataclass(frozen=True)
class PublishedRule:
    """Staffing rule of a department.

    Args:
        department: The department.
        rule: How many hours it needs.
        source: Where the rule is from, in words.
    """

    department: str
    rule: StaffingRule
    source: str


def staffing_rules(connection: Connection, retailer: str) -> tuple[PublishedRule, ...]:
    """Read the staffing rules, ordered by department; none before there were any.

    Args:
        connection: Connection to the database.
        retailer: Whose rules they are.
    """
    table = schema.staffing_rules
    query = select(table).where(table.c.retailer == retailer).order_by(table.c.department)
    return tuple(
        PublishedRule(
            row["department"],
            StaffingRule(**{name: row[name] for name in StaffingRule.model_fields}),
            row["source"],
        )
        for row in connection.execute(query).mappings()
    )
