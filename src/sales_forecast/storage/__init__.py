"""The database: what was sold and forecast, by which model, who may ask, and who was answered what.

SQLite and PostgreSQL hold the same tables, through SQLAlchemy. Every change is one transaction.
"""
