"""The MLflow model registry: which model serves, which asks to, and who decided so."""
