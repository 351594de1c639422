"""What a month costs, from unit prices and from what each size uses.

``python -m deploy.aws.costs`` writes it into docs/aws.md. Prices are those of us-east-1 without free tiers,
discounts and taxes, as the public price pages of AWS had them in 2025. They were written down from memory
and could not be looked up: read the pages before you rely on a sum.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "aws.md"
PLACE = re.compile(r"(?<=<!-- costs -->\n).*?(?=<!-- end of costs -->)", re.DOTALL)

HOURS = 730
"""Of a month."""

WEEKS = 52 / 12
SECONDS = HOURS * 3600


@dataclass(frozen=True)
class Price:
    """Price of one unit.

    Args:
        dollars: Dollars of a unit.
        unit: What is counted.
        page: Page of AWS that has the price.
    """

    dollars: float
    unit: str
    page: str


PRICES = {
    "key": Price(1.0, "KMS key and month", "kms/pricing"),
    "secret": Price(0.40, "secret and month", "secrets-manager/pricing"),
    "storage": Price(0.023, "GB and month in S3 Standard", "s3/pricing"),
    "images": Price(0.10, "GB and month in ECR", "ecr/pricing"),
    "function": Price(0.0000166667, "GB-second of Lambda on x86", "lambda/pricing"),
    "calls": Price(0.20, "million calls of Lambda", "lambda/pricing"),
    "training small": Price(0.23, "hour of ml.m5.xlarge", "sagemaker/ai/pricing"),
    "training large": Price(2.419, "hour of ml.r5.8xlarge", "sagemaker/ai/pricing"),
    "instance": Price(0.115, "hour of ml.m5.large", "sagemaker/ai/pricing"),
    "serverless": Price(0.00006, "second of serverless inference with 3 GB", "sagemaker/ai/pricing"),
    "gateway": Price(3.50, "million requests to a REST API", "api-gateway/pricing"),
    "glue": Price(0.44, "DPU-hour of Glue", "glue/pricing"),
    "metric": Price(0.30, "metric of one's own and month", "cloudwatch/pricing"),
    "alarm": Price(0.10, "metric in an alarm and month", "cloudwatch/pricing"),
    "dashboard": Price(3.0, "dashboard and month", "cloudwatch/pricing"),
    "log lines": Price(0.50, "GB of log lines", "cloudwatch/pricing"),
    "firewall": Price(7.0, "WAF with two rules and month", "waf/pricing"),
    "filtered": Price(0.60, "million requests to WAF", "waf/pricing"),
}


@dataclass(frozen=True)
class Size:
    """What a deployment uses.

    Args:
        title: Name in the table.
        bucket_gb: Objects in the bucket, with versions that were replaced.
        training: Price of the hour of the weekly job.
        training_hours: Hours of a weekly job.
        transform_hours: Hours of the weekly batch transform.
        publishing_hours: Hours of the job that publishes, on the machine of the training.
        processing_gb_seconds: Memory times time of the weekly function.
        processing_dpu_hours: Spark's part of a week, 0 without.
        requests: Requests to the API in a month.
        request_seconds: Of one request, in the container.
        instances: Instances of the endpoint; 0 if it is serverless or there is none.
        alarms: Metrics in alarms.
        waf: Whether there is a firewall.
    """

    title: str
    bucket_gb: float
    training: str
    training_hours: float
    transform_hours: float
    publishing_hours: float
    processing_gb_seconds: float
    processing_dpu_hours: float = 0
    requests: float = 0
    request_seconds: float = 0.1
    instances: int = 0
    alarms: int = 19
    waf: bool = False


SIZES = (
    Size("322 stores, files only", 5, "training small", 0.25, 0.1, 0.1, 3 * 120),
    Size(
        "322 stores, serverless API",
        *(5, "training small", 0.25, 0.1, 0.1, 3 * 120),
        requests=50_000,
        request_seconds=0.3,
        alarms=22,
    ),
    Size(
        "1,700 stores x 80 departments",
        *(300, "training large", 2.0, 0.7, 0.5, 0),
        processing_dpu_hours=10 * 0.5,
        requests=500_000,
        instances=2,
        alarms=24,
    ),
    Size(
        "the same, 100 requests a second",
        *(300, "training large", 2.0, 0.7, 0.5, 0),
        processing_dpu_hours=10 * 0.5,
        requests=100 * SECONDS,
        instances=8,
        alarms=24,
        waf=True,
    ),
)

OWN_METRICS = 33
"""Metrics of the forecasts of one retailer, with their dimensions: 27 after the first run, six come later."""


def monthly(size: Size) -> dict[str, float]:
    """Compute the dollars of a month.

    Args:
        size: What is used.

    Returns:
        Part -> dollars.
    """

    def cost(price: str, amount: float) -> float:
        return PRICES[price].dollars * amount

    millions = size.requests / 1e6
    serverless = 0.0 if size.instances else size.requests * size.request_seconds
    hourly_metrics = HOURS * 1.0 * 20  # GB-seconds: 1 GB for 20 seconds, every hour
    return {
        "key, secret": cost("key", 1) + cost("secret", 1),
        "bucket, images": cost("storage", size.bucket_gb) + cost("images", 4),
        "weekly processing": cost("function", WEEKS * size.processing_gb_seconds)
        + cost("glue", WEEKS * size.processing_dpu_hours),
        "weekly training": cost(size.training, WEEKS * size.training_hours),
        "weekly forecasts": cost("instance", WEEKS * size.transform_hours)
        + cost(size.training, WEEKS * size.publishing_hours),
        "endpoint": cost("instance", size.instances * HOURS) + cost("serverless", serverless),
        "requests": cost("gateway", millions)
        + cost("calls", millions)
        + cost("function", 1.0 * (size.request_seconds + 0.02) * size.requests),
        "firewall": (cost("firewall", 1) + cost("filtered", millions)) * size.waf,
        "metrics, alarms, dashboard": cost("metric", OWN_METRICS)
        + cost("alarm", size.alarms)
        + cost("dashboard", 1)
        + cost("function", hourly_metrics),
        "log lines": cost("log lines", 0.5 + 0.5 * millions),  # 0.5 KB of a request, and those of runs
    }


def table() -> str:
    """Return the table of all sizes, and that of the prices."""
    columns: Mapping[str, dict[str, float]] = {size.title: monthly(size) for size in SIZES}
    parts = list(next(iter(columns.values())))
    rows = [
        f"| dollars a month | {' | '.join(columns)} |",
        f"|---|{'---:|' * len(columns)}",
        *(
            f"| {part} | {' | '.join(_dollars(column[part]) for column in columns.values())} |"
            for part in parts
        ),
        f"| **sum** | {' | '.join(f'**{_dollars(sum(column.values()))}**' for column in columns.values())} |",
        "",
        "| dollars | of | page below aws.amazon.com |",
        "|---:|---|---|",
        *(f"| {price.dollars:.10g} | {price.unit} | {price.page} |" for price in PRICES.values()),
    ]
    return "\n".join(rows) + "\n"


def _dollars(amount: float) -> str:
    return f"{amount:,.2f}" if amount < 10 else f"{amount:,.0f}"


if __name__ == "__main__":
    PAGE.write_text(PLACE.sub(lambda _: table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
