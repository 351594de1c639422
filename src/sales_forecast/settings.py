"""How Kedro runs this project."""

import warnings
from pathlib import Path

from sales_forecast.hooks import ProjectHooks

PROJECT_ROOT = Path(__file__).resolve().parents[2]

# Kedro and kedro-mlflow call OmegaConf by a name that it is about to retire; nothing for a user to do.
warnings.filterwarnings("ignore", message="register_new_resolver", category=UserWarning)

HOOKS = (ProjectHooks(),)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
    "custom_resolvers": {"project_root": PROJECT_ROOT.as_posix},
}
