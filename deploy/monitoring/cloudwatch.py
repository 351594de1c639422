"""Alarms of CloudWatch, from the alerts of Prometheus and the metrics that ``cloudwatch.yml`` names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
NAMESPACE = "sales_forecast"
EVERY_HOUR = 3600
"""Seconds between two lines of our own metrics."""

LIMIT = re.compile(r"(==|>=|>|<)\s*([\d.e]+(?:\s*\*\s*[\d.e]+)*)$")
"""End of a rule of Prometheus, such as ``> 9 * 86400``."""

SECONDS = {"m": 60, "h": 3600, "d": 86400}
ABOVE = "GreaterThanThreshold"
COMPARISONS = {">": ABOVE, ">=": "GreaterThanOrEqualToThreshold", "<": "LessThanThreshold"}


@dataclass(frozen=True)
class Metric:
    """A metric of CloudWatch.

    Args:
        name: Its name.
        namespace: Its namespace.
        dimensions: Name of a dimension -> value, or a name in braces that a deployment fills in.
        statistic: What is made of the values of a period.
    """

    name: str
    namespace: str = NAMESPACE
    dimensions: Mapping[str, str] = field(default_factory=dict)
    statistic: str = "Maximum"


@dataclass(frozen=True)
class Alarm:
    """An alarm of CloudWatch.

    Args:
        name: Its name.
        severity: ``page`` calls somebody, ``ticket`` waits for a working day.
        description: What it means, and where to read on.
        comparison: How the value is compared with the threshold, in the words of CloudWatch.
        threshold: What the value is compared with.
        period: Seconds of which one value is made.
        evaluations: Number of periods that must all be beyond the threshold.
        missing: What a period without values counts as, in the words of CloudWatch.
        metrics: Name in the expression -> metric.
        expression: What is computed from the metrics; empty if there is one.
        needs: ``api`` or ``instances`` if the alarm is for deployments with these only, else empty.
    """

    name: str
    severity: str
    description: str
    comparison: str
    threshold: float
    period: int
    evaluations: int
    missing: str
    metrics: Mapping[str, Metric]
    expression: str = ""
    needs: str = ""


def read_alarms() -> list[Alarm]:
    """Return all alarms, those of Prometheus first.

    Raises:
        KeyError: An alert of Prometheus has no entry in ``cloudwatch.yml``.
    """
    entries = _entries()
    told = [_of_alert(rule, entries["alerts"][rule["alert"]]) for rule in _rules()]
    own = [_alarm(name, entry, entry, ABOVE, 0, 0) for name, entry in entries["aws"].items()]
    return [alarm for alarm in told if alarm is not None] + own


def read_reasons() -> dict[str, str]:
    """Return why an alert of Prometheus has no alarm: name of the alert -> reason."""
    return {name: entry["none"] for name, entry in _entries()["alerts"].items() if "none" in entry}


def _entries() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "cloudwatch.yml").read_text())
    return found


def _rules() -> Iterator[dict[str, Any]]:
    content = yaml.safe_load((FOLDER / "prometheus" / "alerts.yml").read_text())
    for group in content["groups"]:
        yield from group["rules"]


def _of_alert(rule: dict[str, Any], entry: dict[str, Any]) -> Alarm | None:
    if "none" in entry:
        return None
    wait = re.fullmatch(r"(\d+)([mhd])", rule.get("for", "0m"))
    comparison, threshold = (ABOVE, entry["above"]) if "above" in entry else _limit(rule["expr"])
    told = {"severity": rule["labels"]["severity"], **rule["annotations"]}
    return _alarm(rule["alert"], entry, told, comparison, threshold, int(wait[1]) * SECONDS[wait[2]])


def _limit(expression: str) -> tuple[str, float]:
    """Read comparison and threshold; ``== 0`` and ``== 2`` mean the smallest and the largest value."""
    found = LIMIT.search(expression)
    if found is None:
        raise ValueError(f"cloudwatch.yml must say 'above', as this rule ends with no number: {expression}")
    threshold = math.prod(float(factor) for factor in found[2].split("*"))
    if found[1] == "==":
        return ("LessThanOrEqualToThreshold" if threshold == 0 else COMPARISONS[">="]), threshold
    return COMPARISONS[found[1]], threshold


def _alarm(
    name: str, entry: dict[str, Any], told: dict[str, str], comparison: str, threshold: float, wait: int
) -> Alarm:
    period = entry.get("period", EVERY_HOUR)
    return Alarm(
        name=name,
        severity=told["severity"],
        description=f"{' '.join(told['description'].split())} Runbook: {told['runbook']}",
        comparison=comparison,
        threshold=threshold,
        period=period,
        evaluations=max(1, math.ceil(wait / period)),
        missing=entry.get("missing", "missing"),
        metrics={key: Metric(**metric) for key, metric in entry["metrics"].items()},
        expression=entry.get("expression", ""),
        needs=entry.get("needs", ""),
    )
