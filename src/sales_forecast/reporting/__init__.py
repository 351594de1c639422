"""The report: sections made of text, tables and charts, on pages that open offline."""

from sales_forecast.reporting.page import render_page, render_section
from sales_forecast.reporting.pages import PAGES
from sales_forecast.reporting.section import Chart, Section, Table, Text
from sales_forecast.reporting.theme import COLOURS, new_figure, small_multiples

__all__ = [
    "COLOURS",
    "PAGES",
    "Chart",
    "Section",
    "Table",
    "Text",
    "new_figure",
    "render_page",
    "render_section",
    "small_multiples",
]
