"""Catalog datasets of this project; those of kedro-datasets are used wherever they serve."""

from sales_forecast.datasets.csv_tables import CSVTablesDataset
from sales_forecast.datasets.files import FileHashesDataset
from sales_forecast.datasets.json import ModelJSONDataset, SharedJSONDataset
from sales_forecast.datasets.model_input import ModelInputDataset
from sales_forecast.datasets.optional_csv import OptionalCSVDataset
from sales_forecast.datasets.report import ReportDataset, ReportSectionDataset
from sales_forecast.datasets.skops import SkopsDataset
from sales_forecast.datasets.spark import SparkParquetDataset
from sales_forecast.datasets.workbook import WorkbookDataset

__all__ = [
    "CSVTablesDataset",
    "FileHashesDataset",
    "ModelInputDataset",
    "ModelJSONDataset",
    "OptionalCSVDataset",
    "ReportDataset",
    "ReportSectionDataset",
    "SharedJSONDataset",
    "SkopsDataset",
    "SparkParquetDataset",
    "WorkbookDataset",
]
