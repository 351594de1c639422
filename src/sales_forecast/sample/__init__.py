"""The sample that ships with the project: invented shops, published facts.

The real files may not be redistributed, so a seeded generator makes replacements with the same columns,
seasons and errors. The same seed gives the same tables.
"""

from sales_forecast.sample.files import write_sample
from sales_forecast.sample.marketing import make_marketing
from sales_forecast.sample.turnover import make_turnover

__all__ = ["make_marketing", "make_turnover", "write_sample"]
