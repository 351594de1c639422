"""Stage refresh: the model that serves, fitted again on the newest weeks, without judging the others."""

from sales_forecast.pipelines.refresh.pipeline import create_pipeline

__all__ = ["create_pipeline"]
