"""Forecast retail sales per store and department, and learn what advertising brings."""

__version__ = "0.1.0"
