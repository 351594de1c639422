"""Findings of cdk-nag that are accepted, each with its reason and on the construct that has it."""

from __future__ import annotations

from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def accept(construct: IConstruct, finding: str, reason: str) -> None:
    """Accept a finding on a construct and on what it contains.

    Args:
        construct: Construct that has the finding.
        finding: Such as ``AwsSolutions-S1``, or ``AwsSolutions-IAM5[Resource::*]``.
        reason: Why it may stay.
    """
    Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))


def accept_wildcard(construct: IConstruct, arn: str, reason: str) -> None:
    """Accept that a policy of a construct allows all resources that an ARN with a ``*`` stands for."""
    accept(construct, f"AwsSolutions-IAM5[Resource::{_printed(Stack.of(construct).resolve(arn))}]", reason)


def _printed(part: Any) -> str:
    """An ARN as cdk-nag prints it: ``<AWS::Region>`` for what only CloudFormation knows."""
    if isinstance(part, str):
        return part
    if "Ref" in part:
        return f"<{part['Ref']}>"
    if "Fn::GetAtt" in part:
        return f"<{'.'.join(part['Fn::GetAtt'])}>"
    return "".join(map(_printed, part["Fn::Join"][1]))
