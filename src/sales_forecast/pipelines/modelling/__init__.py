from sales_forecast.pipelines.modelling.pipeline import create_pipeline

__all__ = ["create_pipeline"]
