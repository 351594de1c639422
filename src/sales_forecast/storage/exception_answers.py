"""Planners' answers to the exceptions of a publication: accepted, corrected, assigned, or open again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd
from sqlalchemy import Connection, exists, func, insert, select

from sales_forecast.forecasting.panel.matrix import SERIES_KEYS
from sales_forecast.storage import schema
from sales_forecast.storage.ledger import read_rows
from sales_forecast.storage.queries import Run

Action = Literal["accept", "correct", "assign", "reopen"]

TABLE = schema.exception_answers

ANSWER_COLUMNS = {"action": "answer", "override": "override", "assigned_to": "assigned_to", "note": "note"}
ANSWER_COLUMNS |= {"name": "answered_by", "made_at": "answered_at"}
"""Column of the table -> its name beside an exception."""


@dataclass(frozen=True)
class ExceptionAnswer:
    """What a planner did about an exception.

    Args:
        store: Store of the exception.
        department: Its department.
        action: The forecast was accepted or corrected, or somebody is to look at it; ``reopen`` takes the
            answer before back.
        override: Number of the override that corrects it; None for the other actions.
        assigned_to: Name of the person who is to look at it; None for the other actions.
        note: In the planner's words.
    """

    store: str
    department: str
    action: Action
    override: int | None = None
    assigned_to: str | None = None
    note: str = ""


def add_answer(
    connection: Connection, run: Run, answer: ExceptionAnswer, who: tuple[str, str], now: datetime
) -> int:
    """Store an answer that was checked; earlier ones stay on record.

    Args:
        connection: Connection in a transaction that writes.
        run: Publication of the exception.
        answer: What the planner did.
        who: Id of the API key, and name of its owner.
        now: Present time.

    Returns:
        Number of the answer.
    """
    key_id, name = who
    entry = {"retailer": run.retailer, "publication": run.id, "key_id": key_id, "name": name, "made_at": now}
    query = insert(TABLE).values({**entry, **asdict(answer)}).returning(TABLE.c.id)
    return int(connection.execute(query).scalar_one())


def answered_exceptions(connection: Connection, run: Run) -> pd.DataFrame:
    """Read the exceptions of a publication with the newest answer to each, the most urgent first.

    Returns:
        ``place, store, department, kind, money_at_risk, reason`` and the values of ``ANSWER_COLUMNS``, which
        are None where nobody has answered, the answer was taken back, or the override is withdrawn.
    """
    listed = read_rows(connection, schema.planner_exceptions, run.id).sort_values("place", ignore_index=True)
    columns = [*SERIES_KEYS, *ANSWER_COLUMNS]
    last = select(func.max(TABLE.c.id)).where(TABLE.c.publication == run.id)
    withdrawn = schema.overrides.c.withdrawn_at.is_not(None)
    query = select(*(TABLE.c[name] for name in columns)).where(
        TABLE.c.id.in_(last.group_by(*(TABLE.c[name] for name in SERIES_KEYS))),
        TABLE.c.override.is_(None) | ~exists().where(schema.overrides.c.id == TABLE.c.override, withdrawn),
    )
    answers = pd.DataFrame(connection.execute(query).all(), columns=columns, dtype=object)
    hold = answers[answers["action"] != "reopen"].rename(columns=ANSWER_COLUMNS)
    both = listed.merge(hold, on=SERIES_KEYS, how="left")
    names = list(ANSWER_COLUMNS.values())
    return both.assign(**both[names].astype(object).replace({np.nan: None, pd.NaT: None}))
