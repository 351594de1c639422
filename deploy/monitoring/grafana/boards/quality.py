"""For forecasters: errors, intervals and signals week by week, from the database."""

from __future__ import annotations

from deploy.monitoring.grafana.boards.board import RETAILER, Board
from deploy.monitoring.grafana.panels import GREEN, RED, YELLOW, lines, sql, table

SERIES = f"{RETAILER} AND level = 'series' AND $__timeFilter(week)"
ONE_WEEK_AHEAD = f"{SERIES} AND horizon = 1"
EIGHT_WEEKS = "OVER (PARTITION BY department ORDER BY week ROWS 7 PRECEDING)"
ALL = "OVER (ORDER BY week ROWS 7 PRECEDING)"

ERROR_BY_HORIZON = lines(
    "Error by weeks ahead",
    "WAPE of single series, in the week that was forecast.",
    [
        sql(
            f"""
            SELECT week::timestamptz AS "time", horizon || ' week(s) ahead' AS metric,
                sum(absolute_error) / nullif(sum(turnover), 0) AS "WAPE"
            FROM realised_accuracy WHERE {SERIES} AND horizon IN (1, 4, 8)
            GROUP BY week, horizon ORDER BY week, horizon
            """,
            course=True,
        )
    ],
    "percentunit",
    lowest=0,
)

ERROR_BY_DEPARTMENT = lines(
    "Error by department",
    "WAPE of single series one week ahead, over the last 8 weeks.",
    [
        sql(
            f"""
            SELECT week::timestamptz AS "time", department AS metric,
                sum(absolute_error) {EIGHT_WEEKS} / nullif(sum(turnover) {EIGHT_WEEKS}, 0) AS "WAPE"
            FROM realised_accuracy WHERE {ONE_WEEK_AHEAD} ORDER BY week, department
            """,
            course=True,
        )
    ],
    "percentunit",
    lowest=0,
)

COVERAGE = lines(
    "Inside the intervals",
    "Share of single series inside the intervals one week ahead, last 8 weeks; dashed: what is promised.",
    [
        sql(
            f"""
            SELECT week::timestamptz AS "time",
                sum(sum(inside_80)) {ALL} / nullif(sum(sum(count)) {ALL}, 0) AS "80 %",
                sum(sum(inside_95)) {ALL} / nullif(sum(sum(count)) {ALL}, 0) AS "95 %"
            FROM realised_accuracy WHERE {ONE_WEEK_AHEAD} GROUP BY week ORDER BY week
            """,
            course=True,
        )
    ],
    "percentunit",
    steps=((None, RED), (0.8, YELLOW), (0.95, GREEN)),
)

BIAS = lines(
    "Bias by department",
    "Forecast minus turnover over turnover one week ahead, last 8 weeks; above zero: too high.",
    [
        sql(
            f"""
            SELECT week::timestamptz AS "time", department AS metric,
                sum(forecast - turnover) {EIGHT_WEEKS} / nullif(sum(turnover) {EIGHT_WEEKS}, 0) AS "bias"
            FROM realised_accuracy WHERE {ONE_WEEK_AHEAD} ORDER BY week, department
            """,
            course=True,
        )
    ],
    "percentunit",
)

VALUE_ADDED = lines(
    "Forecast value added",
    "Share of the error of repeating last year that was avoided; below zero, last year was better.",
    [
        sql(
            f"""
            SELECT week::timestamptz AS "time", horizon || ' week(s) ahead' AS metric,
                1 - sum(compared_absolute_error) / nullif(sum(naive_absolute_error), 0) AS "value added"
            FROM realised_accuracy WHERE {SERIES} AND horizon IN (1, 4, 8)
            GROUP BY week, horizon ORDER BY week, horizon
            """,
            course=True,
        )
    ],
    "percentunit",
    steps=((None, RED), (0, GREEN)),
)

LEVELS = lines(
    "Level of departments",
    "Usual deviations of the median store from its forecast; beyond 4, either way, is an alarm.",
    [
        sql(
            f"""
            SELECT week::timestamptz AS "time", key AS metric, value AS "level" FROM monitor_signals
            WHERE {RETAILER} AND detector = 'level' AND $__timeFilter(week) ORDER BY week, key
            """,
            course=True,
        )
    ],
    "none",
    steps=((None, RED), (-4, YELLOW), (-3, GREEN), (3, YELLOW), (4, RED)),
)

DEPARTMENTS = table(
    "Departments, in the weeks shown",
    "One week ahead; against the values as they were first delivered, and as they are known now.",
    sql(
        f"""
        SELECT department, sum(turnover) AS "turnover",
            sum(absolute_error) / nullif(sum(turnover), 0) AS "WAPE",
            sum(restated_absolute_error) / nullif(sum(restated_turnover), 0) AS "WAPE, restated",
            sum(forecast - turnover) / nullif(sum(turnover), 0) AS "bias",
            sum(inside_80) / nullif(sum(count), 0) AS "inside 80 %",
            sum(inside_95) / nullif(sum(count), 0) AS "inside 95 %"
        FROM realised_accuracy WHERE {ONE_WEEK_AHEAD} GROUP BY department ORDER BY sum(turnover) DESC
        """
    ),
    dict.fromkeys(("WAPE", "WAPE, restated", "bias", "inside 80 %", "inside 95 %"), "percentunit")
    | {"turnover": "short"},
)

EXCEPTIONS = lines(
    "Series to look at, by publication",
    "How many series each publication lists for planners, by kind.",
    [
        sql(
            f"""
            SELECT r.made_at AS "time", e.kind AS metric, count(*) AS "series"
            FROM planner_exceptions AS e JOIN forecast_runs AS r ON r.id = e.run
            WHERE r.{RETAILER} AND $__timeFilter(r.made_at) GROUP BY r.made_at, e.kind ORDER BY r.made_at
            """,
            course=True,
        )
    ],
    "none",
    lowest=0,
)

SIGNALS = table(
    "Warnings and alarms, in the weeks shown",
    "Newest first. How often each detector is wrong is in docs/benchmarks.md.",
    sql(
        f"""
        SELECT week, state, detector, key, value, threshold, since, evidence FROM monitor_signals
        WHERE {RETAILER} AND state <> 'calm' AND $__timeFilter(week)
        ORDER BY week DESC, state, detector, key LIMIT 200
        """
    ),
)

BOARD = Board(
    uid="sales-forecast-quality",
    title="Sales forecast: forecast quality",
    description="Errors, intervals and signals, week by week, from the database: it has the history.",
    since="now-1y",
    rows=[
        (9, [ERROR_BY_HORIZON, ERROR_BY_DEPARTMENT]),
        (9, [COVERAGE, BIAS]),
        (9, [VALUE_ADDED, LEVELS]),
        (9, [DEPARTMENTS, EXCEPTIONS]),
        (10, [SIGNALS]),
    ],
)
