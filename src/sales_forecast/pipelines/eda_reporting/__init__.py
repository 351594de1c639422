from sales_forecast.pipelines.eda_reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
