"""Turnover: the charts of the past."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.pipelines.eda_reporting.turnover_seasons import MONTHS, mean_season
from sales_forecast.reporting import COLOURS, new_figure, small_multiples

INK = "#1f2933"
LINE, MARK = COLOURS[:2]


def draw_years(by_department_table: pd.DataFrame) -> go.Figure:
    """Draw turnover per calendar year, one bar a department; years known in part are hatched."""
    figure = new_figure(
        "Turnover per calendar year", "calendar year (hatched: known in part)", "currency units per year"
    )
    # Complete years first: the legend takes its pattern from a trace's first bar.
    ordered = by_department_table.sort_values(["is_complete", "year"], ascending=[False, True])
    for department, years in ordered.groupby("department"):
        figure.add_bar(
            name=f"department {department}",
            x=years["year"].astype(str),
            y=years["turnover"],
            marker_pattern_shape=["" if complete else "/" for complete in years["is_complete"]],
            customdata=years["days"],
            hovertemplate="%{fullData.name}, %{x}<br>%{y:,.0f} currency units"
            "<br>in %{customdata} days<extra></extra>",
        )
    return figure.update_xaxes(type="category", categoryorder="category ascending")


def draw_best_stores(best_stores_table: pd.DataFrame) -> go.Figure:
    """Draw the best stores of the year, best on top."""
    year = "".join(f" of {year}" for year in best_stores_table["year"].unique())
    figure = new_figure(f"Stores with the highest turnover{year}", "currency units per year", "store")
    figure.add_bar(
        x=best_stores_table["turnover"],
        y=best_stores_table["store"].astype(str),
        orientation="h",
        hovertemplate="store %{y}<br>%{x:,.0f} currency units per year<extra></extra>",
    )
    figure.update_xaxes(showgrid=True, gridcolor="#e4e7eb", nticks=6)
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False, ticks="")


def draw_seasons(seasons_table: pd.DataFrame) -> go.Figure:
    """Draw the monthly index: a panel a department, a line a year, and their mean."""
    means = mean_season(seasons_table)
    figure = small_multiples(
        "The shape of a year", [f"Department {department}" for department in means.index], "month", "index"
    )
    years = sorted(seasons_table["year"].unique())
    colours = dict(zip(years, COLOURS * len(years), strict=False))
    in_legend = set()
    for row, (department, mean) in enumerate(means.iterrows(), start=1):
        lines = [
            (str(year), months.set_index("month")["index"], {"color": colours[year], "width": 1.5})
            for year, months in seasons_table[seasons_table["department"] == department].groupby("year")
        ]
        for name, line, style in [*lines, ("mean", mean, {"color": INK, "width": 3})]:
            figure.add_scatter(
                name=name,
                legendgroup=name,
                showlegend=name not in in_legend,
                x=line.index,
                y=line,
                mode="lines",
                line=style,
                customdata=[MONTHS[month - 1] for month in line.index],
                hovertemplate=f"department {department}, %{{customdata}}, {name}"
                "<br>%{y:.2f} times an average month<extra></extra>",
                row=row,
                col=1,
            )
            in_legend.add(name)
    figure.update_yaxes(rangemode="tozero")
    return figure.update_xaxes(
        tickvals=list(range(1, 13)), ticktext=MONTHS, tickangle=0, tickfont_size=10, range=[0.7, 12.3]
    )


def draw_weeks(
    weekly_table: pd.DataFrame, level_shifts_table: pd.DataFrame, repaired_table: pd.DataFrame
) -> go.Figure:
    """Draw every week's turnover, a panel a department, with its level shifts and repaired values."""
    departments = list(weekly_table["department"].unique())
    in_legend = False
    figure = small_multiples(
        "Weekly turnover",
        [f"Department {department}" for department in departments],
        "first day of the week",
        "currency units per week",
    )
    for row, department in enumerate(departments, start=1):
        weeks = weekly_table[weekly_table["department"] == department].set_index("week")["turnover"]
        figure.add_scatter(
            x=weeks.index,
            y=weeks,
            mode="lines",
            line={"color": LINE, "width": 1.5},
            showlegend=False,
            hovertemplate=f"department {department}, week from %{{x|%Y-%m-%d}}"
            "<br>%{y:,.0f} currency units<extra></extra>",
            row=row,
            col=1,
        )
        for shift in level_shifts_table[level_shifts_table["department"] == department].itertuples():
            figure.add_vline(x=shift.week, line={"color": MARK, "dash": "dot", "width": 1.5}, row=row, col=1)
            figure.add_annotation(
                x=shift.week,
                y=1,
                yref="y domain",
                yanchor="bottom",
                text=f"×{shift.factor:.2f}",  # noqa: RUF001 - the multiplication sign is meant
                showarrow=False,
                xanchor="left",
                font={"color": MARK, "size": 12},
                row=row,
                col=1,
            )
        mended = repaired_table[repaired_table["department"] == department]
        if len(mended):
            figure.add_scatter(
                name="value repaired",
                legendgroup="repaired",
                x=mended["week"],
                y=weeks.loc[mended["week"]],
                mode="markers",
                marker={"color": MARK, "size": 9, "symbol": "diamond"},
                showlegend=not in_legend,
                customdata=mended[["store", "delivered", "used"]],
                hovertemplate="store %{customdata[0]}, week from %{x|%Y-%m-%d}"
                "<br>%{customdata[1]:,.0f} delivered<br>%{customdata[2]:,.0f} used instead<extra></extra>",
                row=row,
                col=1,
            )
            in_legend = True
    return figure.update_yaxes(rangemode="tozero")
