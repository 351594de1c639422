from sales_forecast.pipelines.tuning.pipeline import create_pipeline

__all__ = ["create_pipeline"]
