"""What stays: the bucket, the key that encrypts it, repositories of images, the secret, and who is told."""

from __future__ import annotations

from aws_cdk import BootstraplessSynthesizer, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct
from deploy.aws.settings import Settings
from deploy.aws.stacks.findings import accept, accept_wildcard

IMAGES = ("lambda", "sagemaker")
SEVERITIES = ("page", "ticket")
TELLING = ("cloudwatch", "budgets")
"""Services that send to topics."""

KEPT = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""What outlives its stack, unless the stack could not be made: then nobody would know of what is left."""


class DataStack(Stack):
    """Bucket, key, repositories, secret and topics, which are deployed first and deleted last.

    Args:
        scope: The app.
        settings: Settings of the deployment.
    """

    def __init__(self, scope: Construct, settings: Settings) -> None:
        super().__init__(
            scope,
            f"{settings.name}-data",
            description="sales_forecast: bucket, encryption key, image repositories, secret, topics",
            synthesizer=BootstraplessSynthesizer(),  # nothing is uploaded to deploy it
        )
        self.key = self._make_key(settings)
        self.access_logs = self._make_access_logs()
        self.bucket = self._make_bucket()
        self.use_objects = self._policy(
            "UseObjects",
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            ["data/*", "mlflow/*"],
            "A run writes every layer below data/ and mlflow/, and the catalog says which files",
        )
        self.use_results = self._policy(
            "UseResults",
            ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            ["models/*", "forecasts/*"],
            "Every job writes into a folder of its own",
        )
        read = ["s3:GetObject"]
        because = "Every training job leaves a model in a folder of its own"
        self.read_models = self._policy("ReadModels", read, ["models/*"], because)
        because = "What the Glue job runs: script, wheel and configuration"
        self.read_code = self._policy("ReadCode", read, ["code/*"], because)
        # what only some settings need is handed on with all, or the stacks could not be deployed one by one
        self.export_value(self.read_code.managed_policy_arn)
        self.repositories = {image: self._make_repository(settings, image) for image in IMAGES}
        self.secret_name = f"{settings.name}/service"
        self._make_secret()
        self.topics = {severity: self._make_topic(settings, severity) for severity in SEVERITIES}
        CfnOutput(self, "Bucket", value=self.bucket.bucket_name)
        for image, repository in self.repositories.items():
            CfnOutput(self, f"{image.title()}Repository", value=repository.repository_uri)

    def _make_secret(self) -> None:
        secret = secretsmanager.Secret(
            self,
            "Secret",
            secret_name=self.secret_name,
            description="JSON: SALES_FORECAST_DATABASE_URL, MLFLOW_TRACKING_URI, SALES_FORECAST_SIGNING_KEY, "
            "SALES_FORECAST_AB_SALT. Put it there by put-secret-value; the first value is random.",
            encryption_key=self.key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        accept(
            secret,
            "AwsSolutions-SMG4",
            "Its parts belong to a database and to signed models: who changes these changes the secret",
        )

    def _make_key(self, settings: Settings) -> kms.Key:
        """Make a key of our own: with one of AWS, alarms could not be sent to an encrypted topic."""
        key = kms.Key(
            self,
            "Key",
            alias=f"alias/{settings.name}",
            description="Encrypts the bucket, images, the secret and messages of sales_forecast",
            enable_key_rotation=True,
            removal_policy=KEPT,
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsAndBudgetsToTopics",
                principals=[
                    iam.ServicePrincipal(f"{service}.amazonaws.com") for service in ("cloudwatch", "budgets")
                ],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],  # in the policy of a key, this is the key
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        if settings.spark:
            groups = f"arn:{self.partition}:logs:{self.region}:{self.account}:log-group:/aws-glue/jobs/*"
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    sid="LogsOfGlue",
                    principals=[iam.ServicePrincipal(f"logs.{self.region}.amazonaws.com")],
                    actions=[
                        "kms:Encrypt*",
                        "kms:Decrypt*",
                        "kms:ReEncrypt*",
                        "kms:GenerateDataKey*",
                        "kms:Describe*",
                    ],
                    resources=["*"],
                    conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
                )
            )
        return key

    def _make_access_logs(self) -> s3.Bucket:
        logs = s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,  # S3 delivers access logs to no bucket with a KMS key
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="a-year",
                    expiration=Duration.days(365),
                    noncurrent_version_expiration=Duration.days(1),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
            removal_policy=KEPT,
        )
        accept(logs, "AwsSolutions-S1", "It holds access logs: logs of its own would fill it with themselves")
        return logs

    def _make_bucket(self) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Data",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,  # one request to KMS for many objects
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix="data/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="replaced-files-90-days",
                    noncurrent_version_expiration=Duration.days(90),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                ),
                s3.LifecycleRule(id="delete-markers", expired_object_delete_marker=True),
                s3.LifecycleRule(  # the publishing job has read them; models/ stays, for roll-backs
                    id="batch-transforms-90-days", prefix="forecasts/", expiration=Duration.days(90)
                ),
                s3.LifecycleRule(
                    id="archive-is-read-at-replays-only",
                    prefix="data/archive/",
                    transitions=[
                        s3.Transition(
                            storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL,
                            transition_after=Duration.days(90),
                        )
                    ],
                ),
            ],
            removal_policy=KEPT,
        )
        # event_bridge_enabled=True would add a Lambda function that sets this from outside
        bucket.node.default_child.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                event_bridge_enabled=True
            )
        )
        return bucket

    def _policy(self, name: str, actions: list[str], objects: list[str], because: str) -> iam.ManagedPolicy:
        """A policy for objects, who may neither remove their versions nor change the bucket."""
        arns = [self.bucket.arn_for_objects(one) for one in objects]
        of_key = ["kms:Decrypt", *(["kms:GenerateDataKey"] if "s3:PutObject" in actions else [])]
        policy = iam.ManagedPolicy(
            self,
            name,
            statements=[
                iam.PolicyStatement(sid="Objects", actions=actions, resources=arns),
                iam.PolicyStatement(
                    sid="Names", actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn]
                ),
                iam.PolicyStatement(sid="Key", actions=of_key, resources=[self.key.key_arn]),
            ],
        )
        for arn in arns:
            accept_wildcard(policy, arn, because)
        return policy

    def _make_repository(self, settings: Settings, image: str) -> ecr.Repository:
        return ecr.Repository(
            self,
            f"{image.title()}Images",
            repository_name=f"{settings.name}/{image}",
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,  # a tag is a commit
            encryption_key=self.key,
            lifecycle_rules=[  # also one that is in use goes when a hundred newer ones were pushed
                ecr.LifecycleRule(description="the last hundred", max_image_count=100)
            ],
            empty_on_delete=True,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _make_topic(self, settings: Settings, severity: str) -> sns.Topic:
        topic = sns.Topic(
            self,
            f"{severity.title()}Topic",
            topic_name=f"{settings.name}-{severity}",
            master_key=self.key,
            enforce_ssl=True,
        )
        # with a policy of its own, a topic no longer takes messages of the account's alarms by itself
        for service in TELLING:
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=service.title(),
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    actions=["sns:Publish"],
                    resources=[topic.topic_arn],
                    conditions={"StringEquals": {"aws:SourceAccount": self.account}},
                )
            )
        if settings.email:
            topic.add_subscription(subscriptions.EmailSubscription(settings.email))
        CfnOutput(self, f"{severity.title()}TopicArn", value=topic.topic_arn)
        return topic
