"""Lambda functions from the image ``lambda``, each with a log group and a role that may do nothing yet."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy, Size
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct
from deploy.aws.settings import Settings
from deploy.aws.stacks.data import DataStack


def make_log_group(scope: Construct, name: str, path: str) -> logs.LogGroup:
    """Make a log group that keeps its lines for three months; AWS encrypts it with a key of its own."""
    return logs.LogGroup(
        scope,
        name,
        log_group_name=path,
        retention=logs.RetentionDays.THREE_MONTHS,
        removal_policy=RemovalPolicy.DESTROY,
    )


def make_function(
    scope: Construct,
    name: str,
    settings: Settings,
    data: DataStack,
    *,
    handler: str,
    memory_mb: int,
    timeout: Duration,
    environment: Mapping[str, str],
) -> lambda_.DockerImageFunction:
    """Make a function.

    Args:
        scope: Stack of the function.
        name: Its name in the stack; in lower case, the end of its name in the account.
        settings: Settings of the deployment.
        data: Stack with the image.
        handler: Handler in the image.
        memory_mb: Memory; an account that is new has at most 3,008 MB.
        timeout: When AWS ends it.
        environment: Its environment variables, none of which is secret.
    """
    full_name = f"{settings.name}-{name.lower()}"
    group = make_log_group(scope, f"{name}Log", f"/aws/lambda/{full_name}")
    role = iam.Role(scope, f"{name}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    group.grant_write(role)
    return lambda_.DockerImageFunction(
        scope,
        name,
        function_name=full_name,
        code=lambda_.DockerImageCode.from_ecr(
            data.repositories["lambda"], tag_or_digest=settings.image, cmd=[handler]
        ),
        role=role,
        log_group=group,
        memory_size=memory_mb,
        ephemeral_storage_size=Size.mebibytes(2048),
        timeout=timeout,
        environment=dict(environment),
    )
