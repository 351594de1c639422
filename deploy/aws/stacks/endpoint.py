"""The endpoint: serverless with the champion, or instances with champion and challenger side by side."""

from __future__ import annotations

from hashlib import sha256

from aws_cdk import Stack
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct
from deploy.aws.settings import Settings
from deploy.aws.stacks.data import DataStack
from deploy.aws.stacks.permissions import SAGEMAKER_LOGS, allow, let_log, let_measure, let_pull, make_role

INSTANCE = "ml.m5.large"
MOST_INSTANCES = 8
REQUESTS_PER_MINUTE = 1000
"""Of one instance, from which another one is started; two cores answer 54 mixed requests a second."""

SERVERLESS_MEMORY_MB = 3072
SERVERLESS_REQUESTS = 5
"""Number of requests at the same time."""


class Endpoint(Construct):
    """Models, their configuration and the endpoint.

    Args:
        scope: Stack of the endpoint.
        settings: Settings of the deployment, with a model.
        data: Stack with the images and the models.
    """

    def __init__(self, scope: Construct, settings: Settings, data: DataStack) -> None:
        super().__init__(scope, "Serving")
        self._settings, self._data = settings, data
        self.name = settings.name
        self.weights = {"champion": 1 - settings.challenger_share}
        if settings.challenger_share:
            self.weights["challenger"] = settings.challenger_share
        self.role = self._make_role()
        configuration = sagemaker.CfnEndpointConfig(
            self,
            "Configuration",
            endpoint_config_name=f"{settings.name}-{self._digest()}",
            production_variants=[self._variant(name, weight) for name, weight in self.weights.items()],
            # a serverless endpoint has no volume that could be encrypted
            kms_key_id=data.key.key_arn if settings.large else None,
        )
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=self.name,
            endpoint_config_name=configuration.attr_endpoint_config_name,
            # else an endpoint that has grown would shrink to one instance; weights follow challenger_share
            retain_all_variant_properties=True if settings.large else None,
            exclude_retained_variant_properties=[
                sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DesiredWeight")
            ]
            if settings.large
            else None,
        )
        self.arn = Stack.of(self).format_arn(
            service="sagemaker", resource="endpoint", resource_name=self.name
        )
        if settings.large:
            for variant in self.weights:
                self._scale(variant, endpoint)

    def _digest(self) -> str:
        """Make the end of the names of what can only be replaced.

        They are our own, for the state machine to look at: those of CloudFormation begin with anything.
        """
        settings = self._settings
        words = (settings.image, settings.model, settings.size, settings.challenger_share)
        words += (INSTANCE, SERVERLESS_MEMORY_MB, SERVERLESS_REQUESTS)
        return sha256(repr(words).encode()).hexdigest()[:8]

    def _make_role(self) -> iam.Role:
        stack = Stack.of(self)
        role = make_role(
            self, "Role", "sagemaker", "Of containers of the endpoint: they read their models only"
        )
        model = self._settings.model.removeprefix("s3://")
        allow(
            role,
            "Model",
            ["s3:GetObject"],
            stack.format_arn(service="s3", region="", account="", resource=model),
        )
        # the state machine gives this role to the model of each later training job
        role.add_managed_policy(self._data.read_models)
        allow(role, "Key", ["kms:Decrypt"], self._data.key.key_arn)
        let_pull(role, self._data, "sagemaker")
        let_log(role, SAGEMAKER_LOGS, "/aws/sagemaker/Endpoints")
        let_measure(role)
        return role

    def _variant(self, name: str, weight: float) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
        settings = self._settings
        model = sagemaker.CfnModel(
            self,
            name.title(),
            model_name=f"{settings.name}-{name}-{self._digest()}",
            execution_role_arn=self.role.role_arn,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=self._data.repositories["sagemaker"].repository_uri_for_tag(settings.image),
                model_data_url=settings.model,
                environment={"SALES_FORECAST_ARM": name},
            ),
            enable_network_isolation=settings.large,  # serverless endpoints do not have it
        )
        model.node.add_dependency(self.role)  # with its permissions: SageMaker tries them at once
        kind = sagemaker.CfnEndpointConfig
        if not settings.large:
            return kind.ProductionVariantProperty(
                variant_name=name,
                model_name=model.attr_model_name,
                initial_variant_weight=weight,
                serverless_config=kind.ServerlessConfigProperty(
                    max_concurrency=SERVERLESS_REQUESTS, memory_size_in_mb=SERVERLESS_MEMORY_MB
                ),
            )
        return kind.ProductionVariantProperty(
            variant_name=name,
            model_name=model.attr_model_name,
            initial_variant_weight=weight,
            initial_instance_count=1,
            instance_type=INSTANCE,
        )

    def _scale(self, variant: str, endpoint: sagemaker.CfnEndpoint) -> None:
        stack = Stack.of(self)
        target = scaling.ScalableTarget(
            self,
            f"{variant.title()}Instances",
            service_namespace=scaling.ServiceNamespace.SAGEMAKER,
            resource_id=f"endpoint/{self.name}/variant/{variant}",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            min_capacity=1,
            max_capacity=MOST_INSTANCES,
            role=iam.Role.from_role_arn(  # AWS makes it when it is first needed
                self,
                f"{variant.title()}Scaler",
                stack.format_arn(
                    service="iam",
                    region="",
                    resource="role",
                    resource_name="aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
                    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
                ),
            ),
        )
        target.node.add_dependency(endpoint)
        target.scale_to_track_metric(
            "Requests",
            target_value=REQUESTS_PER_MINUTE,
            predefined_metric=scaling.PredefinedMetric.SAGEMAKER_VARIANT_INVOCATIONS_PER_INSTANCE,
        )
