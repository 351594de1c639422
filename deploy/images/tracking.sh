#!/bin/sh
# The MLflow server. Its database's address is a secret; artefacts go through the server, into the volume.
set -eu
MLFLOW_BACKEND_STORE_URI=$(cat "${SALES_FORECAST_SECRETS_FOLDER:-/run/secrets}/MLFLOW_BACKEND_STORE_URI")
export MLFLOW_BACKEND_STORE_URI
# Jobs are not used here, and their processes take 1.5 GB.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
exec mlflow server --host 0.0.0.0 --port 5000 --workers 1 --serve-artifacts \
    --artifacts-destination /app/data/artifacts --default-artifact-root mlflow-artifacts:/ \
    --allowed-hosts "${MLFLOW_ALLOWED_HOSTS:-mlflow:5000,localhost:5000,127.0.0.1:5000}"
