"""Thin routes: what they answer is computed by the models, or read from the database."""
