"""Stage monitoring: is the forecast still right, is it honest, where not, and what follows."""

from sales_forecast.pipelines.monitoring.pipeline import create_pipeline, weekly_pipeline

__all__ = ["create_pipeline", "weekly_pipeline"]
