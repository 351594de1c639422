"""For whoever runs the service: requests, seconds, errors, memory, and the machine."""

from __future__ import annotations

from deploy.monitoring.grafana.boards.board import READINESS, Board
from deploy.monitoring.grafana.panels import ALWAYS_BLUE, GREEN, RED, YELLOW, lines, promql, stat

JOB = 'job="sales_forecast"'
ASKED = f'{JOB}, route!~"/ready|/health|/metrics|none"'
REQUESTS = f"sales_forecast_request_seconds_count{{{ASKED}}}"
BUCKETS = f"sales_forecast_request_seconds_bucket{{{ASKED}}}"
FAILED = f'sales_forecast_request_seconds_count{{{ASKED}, status=~"5.."}}'
ERROR_RATIO = f"(sum(rate({FAILED}[5m])) or vector(0)) / sum(rate({REQUESTS}[5m]))"
REAL_DISKS = 'fstype!~"tmpfs|ramfs|overlay|squashfs"'


def _quantile(share: float, by: str = "") -> str:
    return f"histogram_quantile({share}, sum by (le{by}) (rate({BUCKETS}[5m])))"


NUMBERS = [
    stat(
        "Processes",
        "Processes of the service that answer Prometheus.",
        promql(f"sum(up{{{JOB}}})"),
        "none",
        ((None, RED), (1, GREEN)),
    ),
    stat(
        "Readiness",
        "The worst of all processes; /ready says why.",
        promql("min(sales_forecast_ready)"),
        "none",
        ((None, RED), (0.5, YELLOW), (1, GREEN)),
        READINESS,
    ),
    stat(
        "Requests",
        "Requests per second, without those for health and metrics.",
        promql(f"sum(rate({REQUESTS}[5m]))"),
        "reqps",
        ALWAYS_BLUE,
    ),
    stat(
        "Failed",
        "Share of requests answered with 5xx in 5 minutes; more than 2 % for 5 minutes is an alert.",
        promql(ERROR_RATIO),
        "percentunit",
        ((None, GREEN), (0.005, YELLOW), (0.02, RED)),
    ),
    stat(
        "95 % are answered within",
        "Quantile of the seconds of a request in 5 minutes; more than 1 for 10 minutes is an alert.",
        promql(_quantile(0.95)),
        "s",
        ((None, GREEN), (0.5, YELLOW), (1, RED)),
    ),
    stat(
        "Database",
        "Whether the service can read what is monitored.",
        promql("min(sales_forecast_database_up)"),
        "none",
        ((None, RED), (1, GREEN)),
        {
            "1": {"text": "answers", "color": "green", "index": 0},
            "0": {"text": "does not", "color": "red", "index": 1},
        },
    ),
]

RATE = lines(
    "Requests by route",
    "Per second.",
    [promql(f"sum by (route) (rate({REQUESTS}[5m]))", "{{route}}")],
    "reqps",
    lowest=0,
)
SECONDS = lines(
    "Seconds of a request",
    "From the first byte of the request to the end of the response; dashed: the alert.",
    [promql(_quantile(share), f"{share:.0%}") for share in (0.5, 0.95, 0.99)],
    "s",
    steps=((None, GREEN), (1, RED)),
    lowest=0,
)
STATUS = lines(
    "Answers that are no success",
    "Per second, by status; docs/service.md says what each one means.",
    [
        promql(
            f'sum by (status) (rate(sales_forecast_request_seconds_count{{{JOB}, status=~"4..|5.."}}[5m]))',
            "{{status}}",
        ),
        promql(f"sum(rate(sales_forecast_requests_given_up_total{{{JOB}}}[5m]))", "given up"),
    ],
    "reqps",
    lowest=0,
)
SLOWEST = lines(
    "Slowest routes",
    "95 % quantile of the seconds of a request, by route.",
    [promql(f"topk(5, {_quantile(0.95, ', route')})", "{{route}}")],
    "s",
    lowest=0,
)
MEMORY = lines(
    "Memory of each process",
    "Resident memory; dashed: the alert.",
    [promql(f"process_resident_memory_bytes{{{JOB}}}", "{{instance}}")],
    "bytes",
    steps=((None, GREEN), (1e9, RED)),
    lowest=0,
)
PROCESSOR = lines(
    "Processor time of each process",
    "Seconds per second; Python's part of a process uses one core at most.",
    [promql(f"rate(process_cpu_seconds_total{{{JOB}}}[5m])", "{{instance}}")],
    "none",
    lowest=0,
)
FILES = lines(
    "Open files",
    "Share of the files and connections that each process may have open.",
    [promql(f"process_open_fds{{{JOB}}} / process_max_fds{{{JOB}}}", "{{instance}}")],
    "percentunit",
    lowest=0,
)
MACHINE_MEMORY = lines(
    "Memory left on the machine",
    "Needs node-exporter; dashed: the alert.",
    [promql("node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "{{instance}}")],
    "percentunit",
    steps=((None, RED), (0.05, GREEN)),
    lowest=0,
)
MACHINE_DISK = lines(
    "Disk left on the machine",
    "Needs node-exporter; dashed: the alert.",
    [
        promql(
            f"node_filesystem_avail_bytes{{{REAL_DISKS}}} / node_filesystem_size_bytes{{{REAL_DISKS}}}",
            "{{instance}} {{mountpoint}}",
        )
    ],
    "percentunit",
    steps=((None, RED), (0.1, GREEN)),
    lowest=0,
)

BOARD = Board(
    uid="sales-forecast-service",
    title="Sales forecast: service",
    description="Requests, seconds, errors and memory of the service, and of the machine.",
    since="now-6h",
    refresh="30s",
    rows=[
        (5, NUMBERS),
        (9, [RATE, SECONDS]),
        (9, [STATUS, SLOWEST]),
        (9, [MEMORY, PROCESSOR, FILES]),
        (9, [MACHINE_MEMORY, MACHINE_DISK]),
    ],
)
