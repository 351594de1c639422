"""The templates of four deployments, and a server that stands in for AWS."""

import os
from pathlib import Path

import pytest
from deploy.aws.app import OPENAPI, write_templates
from synthesised import DEPLOYMENTS, Deployment, read_templates

for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]  # whatever goes wrong, nothing here reaches an account
os.environ |= {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "eu-west-3",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Deployment]:
    """Name of a deployment -> its settings and templates."""
    document = Path(os.environ.get("OPENAPI", OPENAPI))
    found = {}
    for name, settings in DEPLOYMENTS.items():
        folder = tmp_path_factory.mktemp(name)
        write_templates(folder, settings, document)
        found[name] = Deployment(settings, folder, read_templates(folder))
    return found


@pytest.fixture(params=DEPLOYMENTS)
def deployment(request: pytest.FixtureRequest, deployments: dict[str, Deployment]) -> Deployment:
    """One of them."""
    return deployments[request.param]
