"""The rules of forecasting retail sales. Nothing in here knows Kedro, MLflow, HTTP or SQL."""
