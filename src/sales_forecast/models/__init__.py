"""What the model registry holds: one module a domain, each with what MLflow needs to load and ask a model.

Loading runs no pickle and needs none of Kedro: only ``forecasting`` and the libraries it stands on.
"""
