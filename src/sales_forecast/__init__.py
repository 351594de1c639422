"""Forecast retail sales per store and department, and learn what advertising brings."""

import os

__version__ = "0.1.0"

# A run touches no network. MLflow and Kedro would report their use, and ask when they are imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "true")
