"""A Glue job that processes with Spark what one machine cannot; it costs nothing while it does not run."""

from __future__ import annotations

from aws_cdk import aws_glue as glue
from constructs import Construct
from deploy.aws.settings import Settings
from deploy.aws.stacks.data import DataStack
from deploy.aws.stacks.permissions import let_log, let_read_secret, make_role

CODE = "code/aws"
"""Folder in the bucket for the script and the wheel of the project."""


class SparkJob(Construct):
    """The job, its role and how its logs are encrypted.

    Args:
        scope: Stack of the job.
        settings: Settings of the deployment.
        data: Stack with the bucket.
    """

    def __init__(self, scope: Construct, settings: Settings, data: DataStack) -> None:
        super().__init__(scope, "Spark")
        bucket = data.bucket.bucket_name
        role = make_role(self, "Role", "glue")
        role.add_managed_policy(data.use_objects)
        role.add_managed_policy(data.read_code)
        let_read_secret(role, data)
        made_by_glue = [
            "logs:AssociateKmsKey",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ]
        let_log(role, made_by_glue, "/aws-glue/jobs/")
        security = glue.CfnSecurityConfiguration(
            self,
            "Encryption",
            name=f"{settings.name}-glue",
            encryption_configuration=glue.CfnSecurityConfiguration.EncryptionConfigurationProperty(
                cloud_watch_encryption=glue.CfnSecurityConfiguration.CloudWatchEncryptionProperty(
                    cloud_watch_encryption_mode="SSE-KMS", kms_key_arn=data.key.key_arn
                ),
                job_bookmarks_encryption=glue.CfnSecurityConfiguration.JobBookmarksEncryptionProperty(
                    job_bookmarks_encryption_mode="CSE-KMS", kms_key_arn=data.key.key_arn
                ),
                s3_encryptions=[
                    glue.CfnSecurityConfiguration.S3EncryptionProperty(
                        s3_encryption_mode="SSE-KMS", kms_key_arn=data.key.key_arn
                    )
                ],
            ),
        )
        glue.CfnJob(
            self,
            "Job",
            name=f"{settings.name}-processing",
            role=role.role_arn,
            glue_version="5.0",
            worker_type="G.1X",
            number_of_workers=10 if settings.large else 2,
            timeout=120,  # minutes
            max_retries=0,  # who starts it knows whether it may be started again
            execution_property=glue.CfnJob.ExecutionPropertyProperty(max_concurrent_runs=1),
            security_configuration=security.name,
            command=glue.CfnJob.JobCommandProperty(
                name="glueetl", python_version="3", script_location=f"s3://{bucket}/{CODE}/glue_job.py"
            ),
            default_arguments={
                # the wheel, and its extra 'aws'
                "--additional-python-modules": f"s3://{bucket}/{CODE}/sales_forecast-0.1.0-py3-none-any.whl,s3fs>=2026",
                "--enable-continuous-cloudwatch-log": "true",
                "--enable-metrics": "true",
                "--SALES_FORECAST_BUCKET": bucket,
                "--SALES_FORECAST_AWS_SECRET": data.secret_name,
            },
        )
