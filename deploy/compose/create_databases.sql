-- Beside sales_forecast, which the image makes: the runs and models of MLflow.
CREATE DATABASE mlflow;
