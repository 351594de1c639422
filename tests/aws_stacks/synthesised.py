"""Deployments that are tested, and how to look into their templates."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.aws.settings import Settings

IMAGE = "0123456789ab"
MODEL = "s3://some-bucket/models/run/output/model.tar.gz"
DEPLOYMENTS = {
    "files only": Settings(IMAGE),
    "serverless": Settings(IMAGE, model=MODEL, schedule="cron(0 6 ? * MON *)", timezone="Europe/Paris"),
    "large": Settings(
        IMAGE,
        size="large",
        model=MODEL,
        challenger_share=0.1,
        email="planning@example.com",
        networks=("203.0.113.0/24",),
        waf=True,
        spark=True,
    ),
}

Resource = dict[str, Any]


@dataclass(frozen=True)
class Deployment:
    """What was made of some settings.

    Args:
        settings: These.
        folder: Folder of the templates.
        templates: Name of a stack -> template, in the order of deployment.
    """

    settings: Settings
    folder: Path
    templates: dict[str, dict[str, Any]]

    def resources(self, kind: str = "") -> Iterator[tuple[str, Resource]]:
        """Stack and name of a resource, and the resource; of one type, or of all."""
        for stack, template in self.templates.items():
            for name, resource in template["Resources"].items():
                if resource["Type"] == kind or not kind:
                    yield f"{stack}/{name}", resource


def read_templates(folder: Path) -> dict[str, dict[str, Any]]:
    """Read all templates, in the order in which they must be deployed."""
    names = [f"sales-forecast-{part}" for part in ("data", "ml", "api", "monitoring")]
    files = [folder / f"{name}.template.json" for name in names]
    return {file.name.partition(".")[0]: json.loads(file.read_text()) for file in files if file.exists()}


def statements(resource: Resource) -> Iterator[dict[str, Any]]:
    """Statements of every policy in a resource, of whatever type it is."""
    if isinstance(resource, dict):
        if "Effect" in resource:
            yield resource
        for part in resource.values():
            yield from statements(part)
    elif isinstance(resource, list):
        for part in resource:
            yield from statements(part)


def as_list(value: Any) -> list[Any]:
    """A value of a policy, of which one stands for a list of one."""
    return value if isinstance(value, list) else [value]
