"""What stages hand to each other, made by hand."""

from sales_forecast.forecasting.intervals.conformal import COVERAGES, HalfWidths
from sales_forecast.forecasting.intervals.error_scale import ErrorScale
from sales_forecast.pipelines.handovers import SelectedMethod


def selected(method: str) -> SelectedMethod:
    """The evaluation's choice, with made-up errors."""
    return SelectedMethod(
        method=method, wape=0.1, baseline="last_year", baseline_wape=0.2, rule="lowest WAPE", chosen_on=()
    )


def half_widths(of_80: float, of_95: float) -> HalfWidths:
    """Half-widths in multiples of the forecast and a tenth of the mean week, the same in all departments."""
    multiples = {
        str(coverage): {"": of_95 if coverage == 95 else of_80 * coverage / 80} for coverage in COVERAGES
    }
    return HalfWidths(scale=ErrorScale(share=0.1, power=1.0), multiples=multiples)
