"""Alarms from the same source as those of Prometheus, a dashboard, and a budget."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import BootstraplessSynthesizer, Duration, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct
from deploy.aws.settings import Settings
from deploy.aws.stacks.api import STAGE, ApiStack
from deploy.aws.stacks.data import DataStack
from deploy.aws.stacks.ml import MlStack
from deploy.monitoring.cloudwatch import NAMESPACE, Alarm, read_alarms

DETECTORS = ("level", "coverage_at_once", "coverage", "accuracy")


class MonitoringStack(Stack):
    """Alarms, dashboard and budget.

    Args:
        scope: The app.
        settings: Settings of the deployment.
        data: Stack with the topics.
        ml: Stack with the state machine.
        api: Stack with the API; None if there is none.
    """

    def __init__(
        self, scope: Construct, settings: Settings, data: DataStack, ml: MlStack, api: ApiStack | None
    ) -> None:
        super().__init__(
            scope,
            f"{settings.name}-monitoring",
            description="sales_forecast: alarms, dashboard, budget",
            synthesizer=BootstraplessSynthesizer(),
        )
        self._settings, self._topics = settings, data.topics
        has = {"": True, "api": api is not None, "instances": settings.large and ml.endpoint is not None}
        names = {
            "retailer": settings.retailer,
            "api": settings.name,
            "stage": STAGE,
            "endpoint": settings.name,
            "state_machine": ml.machine.state_machine_arn,
            "queue": ml.lost_events.queue_name,
            "metrics_log_group": f"/aws/lambda/{settings.name}-metrics",
        }
        self.alarms = [self._make_alarm(alarm, names) for alarm in read_alarms() if has[alarm.needs]]
        self._make_dashboard(ml, has["api"])
        self._make_budget()

    def _make_alarm(self, alarm: Alarm, names: Mapping[str, str]) -> cloudwatch.Alarm:
        period = Duration.seconds(alarm.period)
        metrics: dict[str, cloudwatch.IMetric] = {
            key: cloudwatch.Metric(
                namespace=metric.namespace,
                metric_name=metric.name,
                dimensions_map={name: value.format(**names) for name, value in metric.dimensions.items()},
                statistic=metric.statistic,
                period=period,
            )
            for key, metric in alarm.metrics.items()
        }
        (watched,) = (
            metrics.values()
            if not alarm.expression
            else [
                cloudwatch.MathExpression(
                    expression=alarm.expression, using_metrics=metrics, period=period, label=alarm.name
                )
            ]
        )
        made = cloudwatch.Alarm(
            self,
            alarm.name,
            alarm_name=f"{self._settings.name}-{alarm.name}",
            alarm_description=alarm.description,
            metric=watched,
            comparison_operator=cloudwatch.ComparisonOperator[_constant(alarm.comparison)],
            threshold=alarm.threshold,
            evaluation_periods=alarm.evaluations,
            treat_missing_data=cloudwatch.TreatMissingData[_constant(alarm.missing)],
        )
        made.add_alarm_action(actions.SnsAction(self._topics[alarm.severity]))
        made.add_ok_action(actions.SnsAction(self._topics[alarm.severity]))
        return made

    def _make_dashboard(self, ml: MlStack, has_api: bool) -> None:
        retailer = {"retailer": self._settings.retailer}

        def of_forecasts(name: str, **dimensions: str) -> cloudwatch.Metric:
            return cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=f"sales_forecast_{name}",
                dimensions_map=retailer | dimensions,
                statistic="Maximum",
                period=Duration.hours(1),
                label=" ".join([name.replace("_", " "), *dimensions.values()]),
            )

        def graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
            return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8)

        board = cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=self._settings.name, default_interval=Duration.days(28)
        )
        board.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=self.alarms, width=24))
        board.add_widgets(
            graph(
                "Error of the last weeks", *(of_forecasts(f"realised_{of}_ratio") for of in ("wape", "bias"))
            ),
            graph(
                "Share inside the intervals",
                *(of_forecasts("realised_coverage_ratio", interval=share) for share in ("80", "95")),
            ),
            graph(
                "Detectors: 0 calm, 1 warning, 2 alarm",
                *(of_forecasts("signal_state", detector=detector) for detector in DETECTORS),
            ),
        )
        board.add_widgets(
            graph(
                "Seconds since",
                of_forecasts("publication_made_age_seconds", domain="turnover"),
                of_forecasts("delivery_accepted_age_seconds"),
            ),
            graph("Unusual stores", of_forecasts("store_signals", state="warning")),
            graph(
                "Runs", ml.machine.metric_started(), ml.machine.metric_succeeded(), ml.machine.metric_failed()
            ),
        )
        if has_api:
            of_api = {"ApiName": self._settings.name, "Stage": STAGE}

            def of_gateway(name: str, statistic: str) -> cloudwatch.Metric:
                return cloudwatch.Metric(
                    namespace="AWS/ApiGateway", metric_name=name, dimensions_map=of_api, statistic=statistic
                )

            board.add_widgets(
                graph("Requests", of_gateway("Count", "Sum")),
                graph("Failed", of_gateway("5XXError", "Sum"), of_gateway("4XXError", "Sum")),
                graph("Milliseconds", of_gateway("Latency", "p50"), of_gateway("Latency", "p95")),
            )

    def _make_budget(self) -> None:
        """Make a budget of the whole account: AWS sees costs by tag only after the tag was activated."""
        kind = budgets.CfnBudget
        tell = kind.SubscriberProperty(subscription_type="SNS", address=self._topics["ticket"].topic_arn)
        kind(
            self,
            "Budget",
            budget=kind.BudgetDataProperty(
                budget_name=self._settings.name,
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=kind.SpendProperty(amount=self._settings.budget, unit="USD"),
            ),
            notifications_with_subscribers=[
                kind.NotificationWithSubscribersProperty(
                    notification=kind.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=which,
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[tell],
                )
                for which, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )


def _constant(words: str) -> str:
    """``GreaterThanThreshold`` -> ``GREATER_THAN_THRESHOLD``."""
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in words).upper().lstrip("_")
