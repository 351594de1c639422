"""The API: keys, limits and checks of API Gateway before a function that asks the endpoint."""

from __future__ import annotations

import json
from pathlib import Path

from aws_cdk import BootstraplessSynthesizer, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from constructs import Construct
from deploy.aws.schemas import body_schema
from deploy.aws.settings import Settings
from deploy.aws.stacks.data import DataStack
from deploy.aws.stacks.findings import accept
from deploy.aws.stacks.firewall import add_firewall
from deploy.aws.stacks.functions import make_function, make_log_group
from deploy.aws.stacks.ml import MlStack
from deploy.aws.stacks.permissions import allow, let_read_secret

STAGE = "live"
PATHS = ("/v1/turnover/predict", "/v1/marketing/predict")
"""Paths that the function answers."""

REQUESTS_A_SECOND = {"small": 10, "large": 200}
REQUESTS_A_MONTH = {"small": 1_000_000, "large": 500_000_000}
"""Of one key."""


class ApiStack(Stack):
    """The API, its function, a key with limits, and on request a firewall.

    Args:
        scope: The app.
        settings: Settings of the deployment.
        data: Stack with the images.
        ml: Stack with the endpoint.
        document: File with the OpenAPI document of the service.
    """

    def __init__(
        self, scope: Construct, settings: Settings, data: DataStack, ml: MlStack, document: Path
    ) -> None:
        super().__init__(
            scope,
            f"{settings.name}-api",
            description="sales_forecast: API Gateway before the endpoint",
            synthesizer=BootstraplessSynthesizer(),
        )
        self._settings = settings
        self._openapi = json.loads(document.read_text(encoding="utf-8"))
        self.gateway = make_function(
            self,
            "Gateway",
            settings,
            data,
            handler="sales_forecast.aws.lambda_gateway.handler",
            memory_mb=1024,  # half of it would answer as well, but start in twice the time
            timeout=Duration.seconds(29),  # API Gateway waits no longer
            environment={
                "SALES_FORECAST_ENDPOINT": ml.endpoint.name,
                "SALES_FORECAST_CHALLENGER_SHARE": f"{settings.challenger_share:g}",
            },
        )
        if settings.challenger_share:  # of the secret, it needs the salt that decides which stores
            self.gateway.add_environment("SALES_FORECAST_AWS_SECRET", data.secret_name)
            let_read_secret(self.gateway.role, data)
        allow(self.gateway.role, "Ask", ["sagemaker:InvokeEndpoint"], ml.endpoint.arn)
        self.api = self._make_api()
        self._add_routes()
        self._add_key()
        if settings.waf:
            # of five minutes: all callers may be behind one address
            add_firewall(self, self.api.deployment_stage, 300 * 2 * REQUESTS_A_SECOND[settings.size])
        CfnOutput(self, "Address", value=self.api.url)

    def _make_api(self) -> apigateway.RestApi:
        settings = self._settings
        limit = REQUESTS_A_SECOND[settings.size]
        api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=settings.name,
            description="Predictions of sales_forecast",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            policy=self._only_from(settings.networks) if settings.networks else None,
            cloud_watch_role=settings.gateway_role,
            cloud_watch_role_removal_policy=RemovalPolicy.DESTROY if settings.gateway_role else None,
            deploy_options=apigateway.StageOptions(
                stage_name=STAGE,
                throttling_rate_limit=limit,
                throttling_burst_limit=2 * limit,
                metrics_enabled=False,  # of each method, which are paid for; those of the stage come anyway
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                data_trace_enabled=False,  # bodies are in no log
                access_log_destination=apigateway.LogGroupLogDestination(
                    make_log_group(self, "AccessLog", f"/aws/apigateway/{settings.name}")
                ),
                access_log_format=apigateway.AccessLogFormat.json_with_standard_fields(
                    caller=False,
                    http_method=True,
                    ip=True,
                    protocol=False,
                    request_time=True,
                    resource_path=True,
                    response_length=True,
                    status=True,
                    user=False,
                ),
            ),
        )
        # API Gateway would make it by itself, keep its lines for ever and leave it behind
        errors = make_log_group(self, "ErrorLog", f"API-Gateway-Execution-Logs_{api.rest_api_id}/{STAGE}")
        api.deployment_stage.node.add_dependency(errors)
        api.add_gateway_response(
            "InvalidBody",
            type=apigateway.ResponseType.BAD_REQUEST_BODY,
            status_code="422",  # as the service answers
            templates={
                "application/json": json.dumps(
                    {
                        "title": "Unprocessable Content",
                        "status": 422,
                        "detail": "$context.error.validationErrorString",
                    }
                )
            },
        )
        api.add_gateway_response(
            "LargeBody",
            type=apigateway.ResponseType.REQUEST_TOO_LARGE,
            status_code="413",
            templates={
                "application/json": json.dumps(
                    {
                        "title": "Content Too Large",
                        "status": 413,
                        "detail": "the request is too large; send its series in several requests",
                    }
                )
            },
        )
        accept(
            api,
            "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]",
            "API Gateway has one role for the logs of a whole account, for which AWS keeps this policy",
        )
        if not settings.waf:
            accept(
                api,
                "AwsSolutions-APIG3",
                "A firewall costs more than all else at this size: waf=true adds it",
            )
        return api

    def _only_from(self, networks: tuple[str, ...]) -> iam.PolicyDocument:
        everyone, calls = [iam.AnyPrincipal()], ["execute-api:Invoke"]
        return iam.PolicyDocument(
            statements=[
                iam.PolicyStatement(principals=everyone, actions=calls, resources=["execute-api:/*"]),
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    principals=everyone,
                    actions=calls,
                    resources=["execute-api:/*"],  # every stage and path of this API
                    conditions={"NotIpAddress": {"aws:SourceIp": list(networks)}},
                ),
            ]
        )

    def _add_routes(self) -> None:
        validator = self.api.add_request_validator(
            "Validator", validate_request_body=True, validate_request_parameters=True
        )
        for path in PATHS:
            name = "".join(part.title() for part in path.split("/"))
            schema = body_schema(self._openapi, path)
            # the stage would go on with the schema before: the same name makes no new deployment
            self.api.latest_deployment.add_to_logical_id({name: schema})
            model = apigateway.CfnModel(
                self,
                f"{name}Model",
                rest_api_id=self.api.rest_api_id,
                content_type="application/json",
                name=name,
                schema=schema,
            )
            method = self.api.root.resource_for_path(path).add_method(
                "POST",
                apigateway.LambdaIntegration(self.gateway, allow_test_invoke=False),
                api_key_required=True,
                request_validator=validator,
                # by any content type, else a body that calls itself text would not be checked
                request_models={"$default": apigateway.Model.from_model_name(self, name, model.ref)},
            )
            for rule in ("APIG4", "COG4"):
                accept(
                    method,
                    f"AwsSolutions-{rule}",
                    "Callers are programs with an API key, as with the service itself; networks= limits them",
                )

    def _add_key(self) -> None:
        size = self._settings.size
        limit = REQUESTS_A_SECOND[size]
        plan = self.api.add_usage_plan(
            "Callers",
            name=self._settings.name,
            throttle=apigateway.ThrottleSettings(rate_limit=limit, burst_limit=2 * limit),
            quota=apigateway.QuotaSettings(limit=REQUESTS_A_MONTH[size], period=apigateway.Period.MONTH),
            api_stages=[apigateway.UsagePlanPerApiStage(api=self.api, stage=self.api.deployment_stage)],
        )
        key = self.api.add_api_key(
            "Caller", api_key_name=f"{self._settings.name}-caller"
        )  # AWS makes the key
        plan.add_api_key(key)
        CfnOutput(self, "KeyId", value=key.key_id)
        CfnOutput(self, "UsagePlan", value=plan.usage_plan_id)
