"""The store map: dots in proportion, on a scale that is the same up and down."""

import numpy as np
import pandas as pd
import pytest

from sales_forecast.reporting.store_map import (
    LARGEST,
    UNKNOWN,
    count_without_place,
    draw_store_map,
    explain_store_map,
)


@pytest.fixture
def stores() -> pd.DataFrame:
    """Three stores on the 60th parallel, where a degree of longitude is half as long, and one without a place."""
    return pd.DataFrame(
        {
            "store": [1, 2, 3, 4],
            "region": ["north", None, "north", "south"],
            "latitude": [60.0, 60.0, 60.0, np.nan],
            "longitude": [5.0, 6.0, 7.0, 8.0],
            "forecast": [400.0, 100.0, 300.0, 200.0],
            "last_year": [500.0, 80.0, np.nan, 200.0],
            "change": [-0.2, 0.25, np.nan, 0.0],
        }
    )


def _dots(stores: pd.DataFrame) -> pd.DataFrame:
    """Each dot with its size, colour and text."""
    traces = [trace for trace in draw_store_map(stores, "Where", "2 weeks").data if trace.xaxis is None]
    return pd.concat(
        pd.DataFrame(
            {
                "longitude": trace.x,
                "size": trace.marker.size,
                "colour": trace.marker.color,
                "text": trace.hovertext,
                "name": trace.text,
            }
        )
        for trace in traces
    ).set_index("longitude")


def test_the_area_of_a_dot_is_its_forecast_and_its_colour_the_change(stores: pd.DataFrame) -> None:
    dots = _dots(stores)
    assert dots["size"].to_dict() == pytest.approx({5.0: LARGEST, 6.0: LARGEST / 2, 7.0: LARGEST * 0.75**0.5})
    assert dots["colour"].to_dict() == {5.0: -0.2, 6.0: 0.25, 7.0: UNKNOWN}
    assert dots.loc[5.0, "text"] == (
        "<b>store 1</b>, region north<br>forecast, 2 weeks: 400<br>same weeks last year: 500<br>change: -20.0%"
    )
    assert dots.loc[7.0, "text"] == "<b>store 3</b>, region north<br>forecast, 2 weeks: 300"


def test_the_legend_of_sizes_has_the_scale_of_the_dots(stores: pd.DataFrame) -> None:
    (legend,) = [trace for trace in draw_store_map(stores, "Where", "2 weeks").data if trace.xaxis == "x2"]
    amounts = [float(text.replace(",", "")) for text in legend.text]
    assert amounts == [20, 100, 200]
    assert list(legend.marker.size) == pytest.approx([LARGEST * (amount / 400) ** 0.5 for amount in amounts])


def test_a_kilometre_is_as_long_to_the_north_as_to_the_east(stores: pd.DataFrame) -> None:
    axis = draw_store_map(stores, "Where", "2 weeks").layout.yaxis
    assert (axis.scaleanchor, axis.scaleratio) == ("x", pytest.approx(2))


def test_the_colours_reach_as_far_down_as_up_whatever_stores_do(stores: pd.DataFrame) -> None:
    colours = draw_store_map(stores, "Where", "2 weeks").layout.coloraxis
    assert (colours.cmin, colours.cmax) == (-0.25, 0.25)
    assert colours.colorbar.ticktext == ("-25%", "-12.5%", "0%", "+12.5%", "+25%")
    calm = draw_store_map(stores.assign(change=0.001), "Where", "2 weeks").layout.coloraxis
    assert (calm.cmin, calm.cmax) == (-0.05, 0.05)


def test_the_caption_says_what_the_dots_mean_and_who_is_not_there(stores: pd.DataFrame) -> None:
    many = pd.concat(
        [stores, stores.assign(change=[0.01, 0.02, 0.03, 0.04])] * 10 + [stores.assign(change=9.0)]
    )
    words = explain_store_map(many, "the 2 weeks ahead")
    assert "Its area is the forecast of the 2 weeks ahead" in words
    assert "Beyond 25% up or down the colour stays the same (stores: 3)." in words
    assert "Grey: not there last year (stores: 10)." in words
    assert (
        count_without_place(stores) == "1 of 4 stores have no place and are not shown; they are to sell 200."
    )
    assert count_without_place(stores[:3]) == ""


def test_names_of_stores_are_shown_as_they_are_written(stores: pd.DataFrame) -> None:
    dots = _dots(stores.assign(store="<i>A&B</i>", region="<script>"))
    assert dots.loc[5.0, "name"] == "&lt;i&gt;A&amp;B&lt;/i&gt;"
    assert "<i>" not in dots.loc[5.0, "text"]
    assert "<script>" not in dots.loc[5.0, "text"]


@pytest.mark.parametrize("forecast", [0.0, 1.0])
def test_stores_without_places_or_turnover_are_drawn_as_nothing(
    stores: pd.DataFrame, forecast: float
) -> None:
    assert len(draw_store_map(stores[3:], "Where", "2 weeks").data) == 0
    sizes = _dots(stores.assign(forecast=forecast))["size"]
    assert np.isfinite(sizes).all()
