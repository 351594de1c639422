"""Who may do what; a wildcard says what it stands for."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct
from deploy.aws.stacks.data import DataStack
from deploy.aws.stacks.findings import accept_wildcard


def allow(
    role: iam.IRole,
    name: str,
    actions: list[str],
    *resources: str,
    because: str = "",
    conditions: Mapping[str, object] | None = None,
) -> None:
    """Add one statement to the policy of a role.

    Args:
        role: The role.
        name: Name of the statement.
        actions: What it may do.
        resources: ARNs, with what.
        because: Why there is a ``*`` in them.
        conditions: When it may, as IAM writes it; always by default.
    """
    role.add_to_principal_policy(
        iam.PolicyStatement(sid=name, actions=actions, resources=list(resources), conditions=conditions)
    )
    for resource in resources if because else ():
        accept_wildcard(role, resource, because)


def make_role(scope: Construct, name: str, service: str, description: str = "") -> iam.Role:
    """Make a role for a service of AWS, which may take it for resources of this account only."""
    condition = {"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
    taker = iam.ServicePrincipal(f"{service}.amazonaws.com", conditions=condition)
    return iam.Role(scope, name, assumed_by=taker, description=description or None)


def let_read_secret(role: iam.IRole, data: DataStack) -> None:
    """Let a role read the secret, and use the key for that."""
    arn = Stack.of(role).format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name=f"{data.secret_name}-??????",  # AWS adds six letters
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    allow(role, "Secret", ["secretsmanager:GetSecretValue"], arn)
    allow(role, "SecretKey", ["kms:Decrypt"], data.key.key_arn)


def let_pull(role: iam.IRole, data: DataStack, image: str) -> None:
    """Let a role pull an image."""
    layers = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    allow(role, "Image", layers, data.repositories[image].repository_arn)
    allow(role, "Registry", ["ecr:GetAuthorizationToken"], "*", because="The action takes no resource")


def let_log(role: iam.IRole, actions: list[str], *groups: str) -> None:
    """Let a role write to log groups that AWS makes and names, by the beginnings of their names."""
    stack = Stack.of(role)
    arns = [
        stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"{group}*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        for group in groups
    ]
    allow(role, "Logs", actions, *arns, because="Groups and streams are named after each job or endpoint")


def let_measure(role: iam.IRole) -> None:
    """Let a role write the metrics of its containers, such as how much memory they use."""
    of_sagemaker = {"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}}
    because = "The action takes no resource; the namespace limits it"
    allow(role, "Metrics", ["cloudwatch:PutMetricData"], "*", because=because, conditions=of_sagemaker)


SAGEMAKER_LOGS = [
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
]
