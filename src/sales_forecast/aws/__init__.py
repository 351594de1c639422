"""What only a deployment on AWS needs; docs/aws.md describes it."""
