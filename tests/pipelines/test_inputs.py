"""Which datasets and parameters a node reads, as its function's signature says."""

from __future__ import annotations

import pandas as pd
import pytest
from pydantic import BaseModel

from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.pipelines import step
from sales_forecast.pipelines.params import Params


class BoundParams(Params):
    """Parameters of a node."""


class Stored(BaseModel):
    """What a catalog entry holds."""


def count_rows(
    panel: pd.DataFrame, stored: Stored, bound: BoundParams, methods: Methods, path: str
) -> tuple[int, int]:
    """Be a node's function."""
    return len(panel), 0


def test_a_parameter_reads_what_is_called_like_it_from_the_catalog_or_from_the_parameters():
    node = step(count_rows, ["rows", "none"], path="params:study")
    assert node.inputs == ["panel", "stored", "params:bound", "params:methods", "params:study"]
    assert (node.outputs, node.name) == (["rows", "none"], "count_rows")


def test_a_name_that_the_function_does_not_have_is_refused():
    with pytest.raises(TypeError, match="count_rows has no parameter panels; it has panel, stored"):
        step(count_rows, panels="turnover.panel")
