"""For the manager: may the forecasts be used, how good are they, and what deserves a look."""

from __future__ import annotations

from deploy.monitoring.grafana.boards.board import READINESS, RETAILER, SERVING, Board
from deploy.monitoring.grafana.panels import (
    ALWAYS_BLUE,
    GREEN,
    RED,
    YELLOW,
    lines,
    promql,
    sql,
    stat,
    table,
)

OF_RETAILER = 'retailer="$retailer"'
DAY = 86400

NUMBERS = [
    stat(
        "Service",
        "Whether the API answers, from /ready.",
        promql("min(sales_forecast_ready)"),
        "none",
        ((None, RED), (0.5, YELLOW), (1, GREEN)),
        READINESS,
    ),
    stat(
        "Age of the forecasts",
        "Time since the forecasts that serve were made; new ones come every week.",
        promql(
            "time() - max(sales_forecast_publication_made_timestamp_seconds"
            f'{{domain="turnover", {OF_RETAILER}}})'
        ),
        "s",
        ((None, GREEN), (8 * DAY, YELLOW), (9 * DAY, RED)),
    ),
    stat(
        "Error, one week ahead",
        "Sum of absolute errors over the sum of turnover (WAPE), single departments of stores, last 8 weeks.",
        promql(f"max(sales_forecast_realised_wape_ratio{{{OF_RETAILER}}})"),
        "percentunit",
        ALWAYS_BLUE,
    ),
    stat(
        "Inside the 80 % range",
        "Share of turnover that fell into the range which should hold 80 % of it, last 8 weeks.",
        promql(f'max(sales_forecast_realised_coverage_ratio{{interval="80", {OF_RETAILER}}})'),
        "percentunit",
        ((None, RED), (0.7, YELLOW), (0.75, GREEN)),
    ),
    stat(
        "Alarms",
        "Departments or ranges whose newest week is out of the usual; the table below says which.",
        promql(
            f"count(max by (detector, key) (sales_forecast_signal_state{{{OF_RETAILER}}}) == 2) or vector(0)"
        ),
        "none",
        ((None, GREEN), (1, RED)),
    ),
    stat(
        "Series to look at",
        "Departments of stores that the newest forecasts list for planners.",
        sql(f"SELECT count(*) FROM planner_exceptions WHERE run = ({SERVING})"),
        "none",
        ALWAYS_BLUE,
    ),
]

COURSE = lines(
    "Turnover of the chain",
    "What was sold, what was forecast for it one week ahead, and the weeks ahead with their 80 % range.",
    [
        sql(
            f"""
            SELECT week::timestamptz AS "time", turnover AS "sold", forecast AS "forecast a week ahead"
            FROM realised_accuracy
            WHERE {RETAILER} AND level = 'total' AND horizon = 1 AND $__timeFilter(week)
            ORDER BY week
            """,
            course=True,
        ),
        sql(
            f"""
            SELECT week::timestamptz AS "time", forecast AS "forecast", lo_80 AS "80 % range, from",
                hi_80 AS "80 % range, to"
            FROM level_forecasts
            WHERE run = ({SERVING}) AND level = 'total'
            ORDER BY week
            """,
            course=True,
        ),
    ],
    "short",
)

EXCEPTIONS = table(
    "What deserves a look",
    "The most urgent series of the newest forecasts; 'sales-forecast exceptions' lists all of them.",
    sql(
        f"""
        SELECT store, department, kind, money_at_risk AS "money at risk", reason
        FROM planner_exceptions WHERE run = ({SERVING}) ORDER BY place LIMIT 10
        """
    ),
    {"money at risk": "short"},
)

UNUSUAL = table(
    "What is unusual in the newest week",
    "Alarms first. How often each of them is false is in docs/benchmarks.md.",
    sql(
        f"""
        SELECT state, detector, key, since, evidence FROM monitor_signals AS s
        WHERE {RETAILER} AND state <> 'calm'
            AND week = (SELECT max(week) FROM monitor_signals WHERE {RETAILER})
        ORDER BY state, detector, abs(value) DESC LIMIT 20
        """
    ),
)

RETRAINING = table(
    "Should all methods compete again?",
    "The last decision; done by 'sales-forecast retrain'.",
    sql(
        f"""
        SELECT at, wanted, trigger, evidence, done_at AS "done at", result FROM retraining_decisions
        WHERE {RETAILER} ORDER BY id DESC LIMIT 1
        """
    ),
)

BOARD = Board(
    uid="sales-forecast-manager",
    title="Sales forecast: manager",
    description="May the forecasts be used, how good are they, and what deserves a look.",
    since="now-1y",
    until="now+9w",
    rows=[(5, NUMBERS), (11, [COURSE]), (10, [EXCEPTIONS, UNUSUAL]), (5, [RETRAINING])],
)
