"""Packages of the model registry: one module per domain, with what MLflow needs to load and call a model.

Loading unpickles nothing and imports nothing of Kedro: only ``forecasting`` and the libraries that it uses.
"""
