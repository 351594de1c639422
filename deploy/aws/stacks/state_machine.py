"""The state machine of a run: its text is ``state_machine.asl.json``, from which its permissions follow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from deploy.aws.stacks.permissions import allow

DEFINITION = Path(__file__).parents[1] / "state_machine.asl.json"

PLACE = re.compile(r"\$\{(\w+)\}")

JOBS = {
    "createTrainingJob": ("training-job", "TrainingJobs"),
    "createTransformJob": ("transform-job", "TransformJobs"),
    "createProcessingJob": ("processing-job", "ProcessingJobs"),
}
"""Call that starts a job -> kind of its ARN, and end of the name of the rule by which its end is known."""

LISTS = {"listTrainingJobs", "listEndpoints"}
"""Calls of SageMaker that take no resource."""

OF_MODELS = {
    "createModel": ["model"],
    "describeModel": ["model"],
    "createEndpointConfig": ["endpoint-config", "model"],
    "describeEndpointConfig": ["endpoint-config"],
    "describeEndpoint": ["endpoint"],
    "updateEndpoint": ["endpoint", "endpoint-config"],
}
"""Call of SageMaker -> kinds of ARNs that it takes."""


def read_definition(values: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Read the text, and choose the values that it needs.

    Args:
        values: Name in the text -> what stands there in this deployment.

    Returns:
        The text, and the values of the names that are in it.

    Raises:
        ValueError: The text has a name without a value.
    """
    content = json.loads(DEFINITION.read_text(encoding="utf-8"))
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)  # templates must be small
    named = set(PLACE.findall(text))
    if unknown := named - values.keys():
        raise ValueError(
            f"{DEFINITION.name} names ${{{min(unknown)}}}; there are {', '.join(sorted(values))}"
        )
    return text, {name: values[name] for name in sorted(named)}


def calls_of(content: Any) -> Iterator[str]:
    """Find what the tasks call, such as ``sagemaker:createTrainingJob``."""
    if isinstance(content, dict):
        if content.get("Type") == "Task":
            yield content["Resource"].removeprefix("arn:aws:states:::").removesuffix(".sync")
        for part in content.values():
            yield from calls_of(part)
    elif isinstance(content, list):
        for part in content:
            yield from calls_of(part)


def let_call(
    role: iam.Role, text: str, name: str, functions: list[str], topics: list[str], roles: list[str]
) -> None:
    """Let the state machine do what its tasks need, and nothing else.

    Args:
        role: Its role.
        text: Its text.
        name: Its name, with which the names of jobs, models and endpoints begin.
        functions: ARNs of the functions that it calls.
        topics: ARNs of the topics that it sends to.
        roles: ARNs of the roles that it hands to SageMaker.

    Raises:
        ValueError: A task calls what is not known here.
    """
    stack = Stack.of(role)

    def arn(service: str, kind: str, names: str, separator: ArnFormat = ArnFormat.SLASH_RESOURCE_NAME) -> str:
        return stack.format_arn(service=service, resource=kind, resource_name=names, arn_format=separator)

    allow(
        role, "Tags", ["sagemaker:ListTags"], "*", because="AWS's example for jobs of Step Functions has it"
    )
    for call in sorted(set(calls_of(json.loads(text)))):
        service, _, action = call.removeprefix("aws-sdk:").partition(":")
        verb = action[:1].upper() + action[1:]
        if call == "lambda:invoke":
            allow(role, "Functions", ["lambda:InvokeFunction"], *functions)
        elif call == "sns:publish":
            allow(role, "Topics", ["sns:Publish"], *topics)
        elif call == "aws-sdk:sfn:listExecutions":
            machine = arn("states", "stateMachine", name, ArnFormat.COLON_RESOURCE_NAME)
            allow(role, "Executions", ["states:ListExecutions"], machine)
        elif service == "sagemaker" and action in JOBS:
            kind, rule = JOBS[action]
            job = verb.removeprefix("Create")
            allow(
                role,
                f"{job}s",
                [f"sagemaker:{does}" for does in (verb, f"Describe{job}", f"Stop{job}", "AddTags")],
                arn("sagemaker", kind, f"{name}-*"),
                because="Jobs are named after deliveries",
            )
            ends = arn("events", "rule", f"StepFunctionsGetEventsForSageMaker{rule}Rule")
            allow(role, f"{job}Ends", ["events:PutTargets", "events:PutRule", "events:DescribeRule"], ends)
        elif service == "sagemaker" and action in LISTS:
            allow(role, verb, [f"sagemaker:{verb}"], "*", because="The action takes no resource")
        elif service == "sagemaker" and action in OF_MODELS:
            arns = [arn("sagemaker", kind, f"{name}*") for kind in OF_MODELS[action]]
            allow(role, verb, [f"sagemaker:{verb}"], *arns, because="Models are named after deliveries")
        else:
            raise ValueError(f"stacks/state_machine.py knows no permissions for '{call}'")
    role.add_to_policy(
        iam.PolicyStatement(
            sid="Roles",
            actions=["iam:PassRole"],
            resources=roles,
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )
    )
