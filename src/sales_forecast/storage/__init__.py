"""The database: weekly turnover, published forecasts, registered models, API keys and the audit log.

SQLite and PostgreSQL hold the same tables, accessed through SQLAlchemy. Every change is one transaction.
"""
