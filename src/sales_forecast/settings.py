"""How Kedro runs this project."""

import os
import warnings
from typing import Any

from sales_forecast.hooks import ProjectHooks
from sales_forecast.progress import ProgressHooks
from sales_forecast.renamed import RenamedHooks
from sales_forecast.resolvers import RESOLVERS
from sales_forecast.run_logs import LogHooks, prepare_log_files
from sales_forecast.save_hooks import SaveHooks
from sales_forecast.spark import SparkHooks
from sales_forecast.tracking import TrackingHooks

# Kedro and kedro-mlflow call OmegaConf by a name that it is about to retire; nothing for a user to do.
warnings.filterwarnings("ignore", message="register_new_resolver", category=UserWarning)

# Of MLflow's own evaluation models, at import.
warnings.filterwarnings("ignore", message=".*Add type hints to the `predict` method", category=UserWarning)

# A tracking server that is gone is gone: MLflow would try for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")

# Of a few small files.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

prepare_log_files()

# MLflow would write to the screen past conf/logging.yml.
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")

HOOKS = (
    SparkHooks(),
    ProjectHooks(),
    SaveHooks(),
    TrackingHooks(),
    ProgressHooks(),
    RenamedHooks(),
    LogHooks(),
)  # the last one is called first

CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"spark": ["spark*"], "mlflow": ["mlflow*"], "service": ["service*"]},
    "merge_strategy": {"parameters": "soft", "globals": "soft", "service": "soft"},
    "custom_resolvers": RESOLVERS,
}
