"""A web application firewall before the API, on request."""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

COUNTED = ("SizeRestrictions_BODY", "NoUserAgent_HEADER")
"""Rules of AWS that would refuse our callers: bodies of more than 8 KB, programs that give no name."""


def add_firewall(scope: Construct, stage: apigateway.Stage, limit: int) -> None:
    """Put a firewall before a stage of an API: the common rules of AWS, and a limit for each address.

    Args:
        scope: Stack of the API.
        stage: The stage.
        limit: Requests of one address in five minutes, above which more are refused.
    """
    kind = wafv2.CfnWebACL

    def seen(name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
        return kind.VisibilityConfigProperty(
            cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
        )

    wall = kind(
        scope,
        "Firewall",
        scope="REGIONAL",
        default_action=kind.DefaultActionProperty(allow={}),
        visibility_config=seen("firewall"),
        rules=[
            kind.RuleProperty(
                name="common",
                priority=0,
                override_action=kind.OverrideActionProperty(none={}),
                statement=kind.StatementProperty(
                    managed_rule_group_statement=kind.ManagedRuleGroupStatementProperty(
                        vendor_name="AWS",
                        name="AWSManagedRulesCommonRuleSet",
                        rule_action_overrides=[
                            kind.RuleActionOverrideProperty(
                                name=rule, action_to_use=kind.RuleActionProperty(count={})
                            )
                            for rule in COUNTED
                        ],
                    )
                ),
                visibility_config=seen("common"),
            ),
            kind.RuleProperty(
                name="rate",
                priority=1,
                action=kind.RuleActionProperty(block={}),
                statement=kind.StatementProperty(
                    rate_based_statement=kind.RateBasedStatementProperty(
                        aggregate_key_type="IP",
                        limit=limit,
                    )
                ),
                visibility_config=seen("rate"),
            ),
        ],
    )
    wafv2.CfnWebACLAssociation(
        scope,
        "FirewallBeforeApi",
        resource_arn=stage.stage_arn,
        web_acl_arn=wall.attr_arn,
    )
