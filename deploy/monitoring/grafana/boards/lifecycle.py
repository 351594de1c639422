"""For whoever runs the weekly work: deliveries, publications, versions, retraining, keys."""

from __future__ import annotations

from deploy.monitoring.grafana.boards.board import RETAILER, Board
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

OF_RETAILER = '{retailer="$retailer"}'
DAY = 86400
STATE = "sales_forecast_delivery_state"

NUMBERS = [
    stat(
        "Newest delivery",
        "What was decided about it; 'sales-forecast deliveries show' says why.",
        promql(
            f'max({STATE}{{state="held", retailer="$retailer"}}) '
            f'+ 2 * max({STATE}{{state="refused", retailer="$retailer"}})'
        ),
        "none",
        ((None, GREEN), (1, YELLOW), (2, RED)),
        {
            "0": {"text": "accepted", "color": "green", "index": 0},
            "1": {"text": "held", "color": "yellow", "index": 1},
            "2": {"text": "refused", "color": "red", "index": 2},
        },
    ),
    stat(
        "Last accepted delivery",
        "Time since then; new weeks come every 7 days.",
        promql(f"time() - max(sales_forecast_delivery_accepted_timestamp_seconds{OF_RETAILER})"),
        "s",
        ((None, GREEN), (8 * DAY, YELLOW), (9 * DAY, RED)),
    ),
    stat(
        "Age of the newest week",
        "Time since the first day of the last week that the forecasts have seen.",
        promql(
            "time() - max(sales_forecast_publication_cutoff_timestamp_seconds"
            '{domain="turnover", retailer="$retailer"})'
        ),
        "s",
        ((None, GREEN), (17 * DAY, YELLOW), (24 * DAY, RED)),
    ),
    stat(
        "Retraining wanted",
        "Whether all methods should compete again.",
        promql(f"max(sales_forecast_retraining_wanted{OF_RETAILER})"),
        "none",
        ((None, GREEN), (1, YELLOW)),
        {
            "0": {"text": "no", "color": "green", "index": 0},
            "1": {"text": "yes", "color": "yellow", "index": 1},
        },
    ),
    stat(
        "Age of the champion",
        "Time since the version of turnover that serves was registered; a refresh registers one each week.",
        promql(
            "time() - max(sales_forecast_champion_registered_timestamp_seconds"
            '{model=~"sales_forecast.turnover.*"})'
        ),
        "s",
        ALWAYS_BLUE,
    ),
]

DELIVERIES = table(
    "Deliveries",
    "Decisions about deliveries in the time shown, newest first, and what was found.",
    sql(
        f"""
        SELECT d.at, d.id, d.state, d.last_week AS "last week", d.who, d.why, f ->> 'check' AS "check",
            f ->> 'severity' AS "severity", f ->> 'text' AS "finding"
        FROM deliveries AS d
        LEFT JOIN LATERAL jsonb_array_elements(d.findings::jsonb) AS f ON true
        WHERE d.{RETAILER} AND $__timeFilter(d.at) ORDER BY d.at DESC LIMIT 100
        """
    ),
)

SERIES = lines(
    "Series with turnover",
    "How many departments of stores each week has values of: a fall is a gap in the data.",
    [
        sql(
            f"""
            SELECT week::timestamptz AS "time", count(*) AS "series" FROM weekly_turnover
            WHERE {RETAILER} AND $__timeFilter(week) GROUP BY week ORDER BY week
            """,
            course=True,
        )
    ],
    "none",
    lowest=0,
)

UNUSUAL = lines(
    "Warnings and alarms by week",
    "How many of each detector.",
    [
        sql(
            f"""
            SELECT week::timestamptz AS "time", detector AS metric,
                count(*) FILTER (WHERE state <> 'calm') AS "signals"
            FROM monitor_signals WHERE {RETAILER} AND $__timeFilter(week)
            GROUP BY week, detector ORDER BY week, detector
            """,
            course=True,
        )
    ],
    "none",
    lowest=0,
)

PUBLICATIONS = table(
    "Publications",
    "The ledger, newest first: 'sales-forecast ledger show' has the numbers of each.",
    sql(
        f"""
        SELECT r.made_at AS "made at", r.id, r.domain, r.cutoff, r.model_version AS "version", r.delivery,
            w.why AS "withdrawn, because"
        FROM forecast_runs AS r LEFT JOIN withdrawals AS w ON w.run = r.id AND w.restored_at IS NULL
        WHERE r.domain <> 'draft' AND r.{RETAILER} AND $__timeFilter(r.made_at)
        ORDER BY r.made_at DESC LIMIT 100
        """
    ),
)

VERSIONS = table(
    "Versions",
    "The newest versions in the registry, and their mean WAPE over the windows of the past.",
    sql(
        """
        SELECT m.made_at AS "made at", m.name, m.version, avg(v.value) AS "WAPE", m.decision
        FROM models AS m
        LEFT JOIN model_metrics AS v ON v.name = m.name AND v.version = m.version AND v.metric = 'wape'
        GROUP BY m.made_at, m.name, m.version, m.decision ORDER BY m.made_at DESC LIMIT 30
        """
    ),
    {"WAPE": "percentunit"},
)

CHAMPIONS = table(
    "Changes of the champion",
    "Promotions and rollbacks, newest first.",
    sql(
        """
        SELECT happened_at AS "happened at", name, action, version, previous, who, why
        FROM champion_changes ORDER BY happened_at DESC LIMIT 30
        """
    ),
)

RETRAINING = table(
    "Decisions about retraining",
    "Whether all methods were to compete again, why, and what came of it.",
    sql(
        f"""
        SELECT at, week, wanted, trigger, evidence, done_at AS "done at", result FROM retraining_decisions
        WHERE {RETAILER} ORDER BY id DESC LIMIT 30
        """
    ),
)

ANSWERS = lines(
    "Answers by version",
    "Answers in the audit log each day, by arm and version.",
    [
        sql(
            """
            SELECT date_trunc('day', at) AS "time", arm || ', version ' || model_version AS metric,
                count(*) AS "answers"
            FROM audit_log WHERE arm <> 'none' AND $__timeFilter(at) GROUP BY 1, 2 ORDER BY 1, 2
            """,
            course=True,
        )
    ],
    "none",
    lowest=0,
)

KEYS = table(
    "API keys",
    "Keys that are neither revoked nor expired, the next to expire first.",
    sql(
        """
        SELECT name, scopes::text AS "scopes", created_at AS "created at", expires_at AS "expires at"
        FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        ORDER BY expires_at NULLS LAST LIMIT 50
        """
    ),
)

BOARD = Board(
    uid="sales-forecast-lifecycle",
    title="Sales forecast: data and lifecycle",
    description="Deliveries, publications, versions, retraining and keys.",
    since="now-90d",
    rows=[
        (5, NUMBERS),
        (9, [DELIVERIES]),
        (8, [SERIES, UNUSUAL]),
        (9, [PUBLICATIONS, RETRAINING]),
        (9, [VERSIONS, CHAMPIONS]),
        (8, [ANSWERS, KEYS]),
    ],
)
