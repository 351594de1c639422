"""Writes alerts.yml from its template and the measured figures, and the dashboards from their builders.

``python -m deploy.monitoring.build``, or ``make monitoring``; a test compares the files with what this makes.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from deploy.monitoring.grafana.build import write_dashboards

FOLDER = Path(__file__).parent
TEMPLATE = FOLDER / "prometheus" / "alerts.template.yml"
ALERTS = FOLDER / "prometheus" / "alerts.yml"
FIGURES = FOLDER / "figures.yml"
BENCHMARKS = FOLDER.parents[1] / "docs" / "benchmarks.md"

HEADING = "# Made by 'make monitoring' from alerts.template.yml and ../figures.yml: change those.\n"
DELIVERED = re.compile(r"with these (\d+) deliveries")
PLACE = re.compile(r"\{(false_alarms|delay)_(\w+)\}")
"""Such as ``{false_alarms_level}``; Prometheus' own templates have two braces."""


def read_figures() -> dict[str, dict[str, str]]:
    """Return how often each alarm is false and how late it comes, as texts.

    The benchmark writes them into figures.yml; those about deliveries are counted in the table of its page.
    """
    figures: dict[str, dict[str, str]] = yaml.safe_load(FIGURES.read_text())
    page = BENCHMARKS.read_text().split("### Deliveries")[1]
    checks = page.split("| check | note | hold |")[1].split("\n\n")[0].splitlines()[2:]
    held = sum(int(row.split("|")[3]) for row in checks)
    delivered = DELIVERED.findall(page)[0]
    figures["delivery"] = {
        "false_alarms": f"{held} findings that hold in {delivered} ordinary deliveries",
        "delay": "none, before anything is published",
    }
    return figures


def build_alerts() -> str:
    """Return the content of alerts.yml.

    Raises:
        KeyError: The template names a figure that nothing has measured.
    """
    figures = read_figures()
    return HEADING + PLACE.sub(lambda found: str(figures[found[2]][found[1]]), TEMPLATE.read_text())


if __name__ == "__main__":
    ALERTS.write_text(build_alerts())
    write_dashboards()
