"""What computes: functions, the state machine and what starts it, roles of jobs, endpoint, Glue job."""

from __future__ import annotations

from aws_cdk import BootstraplessSynthesizer, CfnOutput, Duration, RemovalPolicy, Stack, TimeZone
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as scheduler_targets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct
from deploy.aws.settings import Settings
from deploy.aws.stacks.data import DataStack
from deploy.aws.stacks.endpoint import Endpoint
from deploy.aws.stacks.findings import accept, accept_wildcard
from deploy.aws.stacks.functions import make_function, make_log_group
from deploy.aws.stacks.permissions import (
    SAGEMAKER_LOGS,
    allow,
    let_log,
    let_measure,
    let_pull,
    let_read_secret,
    make_role,
)
from deploy.aws.stacks.spark import SparkJob
from deploy.aws.stacks.state_machine import let_call, read_definition

DELIVERED = "data/01_raw/*_DELIVERED"
"""Object that says that all files of a delivery are there; it is written last."""

TRAINING_INSTANCE = {"small": "ml.m5.xlarge", "large": "ml.r5.8xlarge"}
TRANSFORM_INSTANCE = "ml.m5.large"
PROCESSING_MEMORY_MB = {"small": 3008, "large": 10240}


class MlStack(Stack):
    """Functions, state machine, roles of SageMaker, and on request an endpoint and a Glue job.

    Args:
        scope: The app.
        settings: Settings of the deployment.
        data: Stack with the bucket and the images.
    """

    def __init__(self, scope: Construct, settings: Settings, data: DataStack) -> None:
        super().__init__(
            scope,
            f"{settings.name}-ml",
            description="sales_forecast: processing, training, endpoint",
            synthesizer=BootstraplessSynthesizer(),
        )
        environment = {
            "SALES_FORECAST_ENV": "aws",
            "SALES_FORECAST_BUCKET": data.bucket.bucket_name,
            "SALES_FORECAST_AWS_SECRET": data.secret_name,
        }
        self.processing = make_function(
            self,
            "Processing",
            settings,
            data,
            handler="sales_forecast.aws.lambda_processing.handler",
            memory_mb=PROCESSING_MEMORY_MB[settings.size],
            timeout=Duration.minutes(15),
            environment=environment,
        )
        self.metrics = make_function(
            self,
            "Metrics",
            settings,
            data,
            handler="sales_forecast.aws.metrics.handler",
            memory_mb=1024,
            timeout=Duration.minutes(2),
            environment=environment,
        )
        self.gate = make_function(
            self,
            "Gate",
            settings,
            data,
            handler="sales_forecast.aws.lambda_gate.handler",
            memory_mb=512,
            timeout=Duration.minutes(5),
            environment={},
        )
        self.gate.role.add_managed_policy(data.read_models)
        self.processing.role.add_managed_policy(data.use_objects)
        for function in (self.processing, self.metrics):
            let_read_secret(function.role, data)
        self.training_role = self._make_training_role(data)
        self.endpoint = Endpoint(self, settings, data) if settings.model else None
        self.machine = self._make_machine(settings, data)
        self.lost_events = self._start_on_delivery(data)
        self._start_by_the_clock(settings)
        if settings.spark:
            SparkJob(self, settings, data)
        CfnOutput(self, "StateMachine", value=self.machine.state_machine_arn)

    def _make_training_role(self, data: DataStack) -> iam.Role:
        role = make_role(self, "TrainingRole", "sagemaker", "Of training, transform and processing jobs")
        role.add_managed_policy(data.use_objects)
        role.add_managed_policy(data.use_results)
        let_read_secret(role, data)
        let_pull(role, data, "sagemaker")
        jobs = [f"/aws/sagemaker/{kind}Jobs" for kind in ("Training", "Transform", "Processing")]
        let_log(role, SAGEMAKER_LOGS, *jobs)
        let_measure(role)
        # SageMaker asks for it where the state machine names the key of a job's output
        allow(role, "EncryptOutput", ["kms:Encrypt"], data.key.key_arn)
        return role

    def _make_machine(self, settings: Settings, data: DataStack) -> sfn.StateMachine:
        text, values = read_definition(
            {
                "Bucket": data.bucket.bucket_name,
                "EndpointName": settings.name,
                "GateFunction": self.gate.function_arn,
                "Key": data.key.key_arn,
                "Name": settings.name,
                "ProcessingFunction": self.processing.function_arn,
                "Secret": data.secret_name,
                "TrainingImage": data.repositories["sagemaker"].repository_uri_for_tag(settings.image),
                "TrainingInstance": TRAINING_INSTANCE[settings.size],
                "TrainingRole": self.training_role.role_arn,
                "TransformInstance": TRANSFORM_INSTANCE,
                "Topic": data.topics["ticket"].topic_arn,
            }
        )
        role = make_role(self, "RunRole", "states")
        roles = [self.training_role, *([self.endpoint.role] if self.endpoint else [])]
        let_call(
            role,
            text,
            settings.name,
            functions=[self.processing.function_arn, self.gate.function_arn],
            topics=[data.topics["ticket"].topic_arn],
            roles=[one.role_arn for one in roles],
        )
        allow(role, "TopicKey", ["kms:Decrypt", "kms:GenerateDataKey"], data.key.key_arn)
        if settings.large:  # a new endpoint configuration has volumes that SageMaker encrypts for it
            role.add_to_policy(
                iam.PolicyStatement(
                    sid="VolumeKey",
                    actions=["kms:CreateGrant", "kms:DescribeKey"],
                    resources=[data.key.key_arn],
                    conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
                )
            )
        machine = sfn.StateMachine(
            self,
            "Run",
            state_machine_name=settings.name,
            definition_body=sfn.DefinitionBody.from_string(text),
            definition_substitutions=values,
            role=role,
            logs=sfn.LogOptions(
                destination=make_log_group(self, "RunLog", f"/aws/vendedlogs/states/{settings.name}"),
                level=sfn.LogLevel.ALL,
            ),
            tracing_enabled=True,
            removal_policy=RemovalPolicy.DESTROY,
        )
        accept(
            role,
            "AwsSolutions-IAM5[Resource::*]",
            "X-Ray and the delivery of logs, which CDK adds, take no resource",
        )
        return machine

    def _start_on_delivery(self, data: DataStack) -> sqs.Queue:
        """Start a run when a delivery is complete; an event that starts none for a day gets into a queue."""
        queue = sqs.Queue(
            self,
            "LostEvents",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        accept(queue, "AwsSolutions-SQS3", "It is the queue for what could not be delivered")
        field = events.EventField.from_path
        events.Rule(
            self,
            "Delivered",
            description="A delivery is complete",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [data.bucket.bucket_name]},
                    "object": {"key": events.Match.wildcard(DELIVERED)},
                },
            ),
            targets=[
                targets.SfnStateMachine(
                    self.machine,
                    # the version, not the event: one delivery is one input, however often it is announced
                    input=events.RuleTargetInput.from_object(
                        {
                            "delivery": {
                                "key": field("$.detail.object.key"),
                                "version": field("$.detail.object.version-id"),
                            }
                        }
                    ),
                    dead_letter_queue=queue,
                    max_event_age=Duration.days(1),
                )
            ],
        )
        return queue

    def _start_by_the_clock(self, settings: Settings) -> None:
        """Tell the metrics every hour, and start a run when the schedule says so."""
        clock = make_role(self, "ClockRole", "scheduler")
        accept_wildcard(clock, f"{self.metrics.function_arn}:*", "CDK adds the versions of the function")
        scheduler.Schedule(
            self,
            "EveryHour",
            description="Metrics of the forecasts",
            schedule=scheduler.ScheduleExpression.cron(minute="30"),  # one value in each hour of the alarms
            target=scheduler_targets.LambdaInvoke(
                self.metrics, role=clock, retry_attempts=2, max_event_age=Duration.minutes(15)
            ),
        )
        if settings.schedule:
            scheduler.Schedule(
                self,
                "ByTheClock",
                description="A run without a delivery",
                schedule=scheduler.ScheduleExpression.expression(
                    settings.schedule, TimeZone.of(settings.timezone)
                ),
                target=scheduler_targets.StepFunctionsStartExecution(
                    self.machine,
                    input=scheduler.ScheduleTargetInput.from_object(
                        {"delivery": {"key": "", "version": scheduler.ContextAttribute.scheduled_time}}
                    ),
                    dead_letter_queue=self.lost_events,
                ),
            )
