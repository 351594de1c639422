"""Tables -> answered business questions, charts and the report's last part."""

from kedro.pipeline import Pipeline

from sales_forecast.forecasting.panel.level_shifts import find_level_shifts
from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.eda_reporting.marketing_answers import answer_marketing
from sales_forecast.pipelines.eda_reporting.marketing_charts import draw_distributions, draw_scatter
from sales_forecast.pipelines.eda_reporting.marketing_section import write_budget_facts
from sales_forecast.pipelines.eda_reporting.turnover_answers import answer_questions
from sales_forecast.pipelines.eda_reporting.turnover_charts import (
    draw_best_stores,
    draw_seasons,
    draw_weeks,
    draw_years,
)
from sales_forecast.pipelines.eda_reporting.turnover_seasons import guess_sports, index_seasons
from sales_forecast.pipelines.eda_reporting.turnover_section import write_section
from sales_forecast.pipelines.eda_reporting.turnover_tables import (
    find_best_weeks,
    list_repairs,
    rank_stores,
    sum_by_department,
    sum_weeks,
)

TURNOVER = [
    step(sum_weeks, "weekly_table"),
    step(sum_by_department, "by_department_table"),
    step(rank_stores, "best_stores_table"),
    step(find_best_weeks, "best_weeks_table"),
    step(index_seasons, "seasons_table"),
    step(guess_sports, "sports_table"),
    step(find_level_shifts, "level_shifts_table", params="params:level_shifts"),
    step(list_repairs, "repaired_table"),
    step(draw_years, "years_chart"),
    step(draw_best_stores, "best_stores_chart"),
    step(draw_seasons, "seasons_chart"),
    step(draw_weeks, "weeks_chart"),
    step(answer_questions, "answers"),
    step(write_section, "eda_report"),
]

MARKETING = [
    step(answer_marketing, "answers"),
    step(draw_distributions, ["tv_distribution_chart", "sales_distribution_chart"]),
    step(draw_scatter, "scatter_chart"),
    step(write_budget_facts, "eda_report"),
]


def create_pipeline() -> Pipeline:
    """Make this stage of both domains."""
    return domain_stage("turnover", "eda_reporting", TURNOVER) + domain_stage(
        "marketing", "eda_reporting", MARKETING
    )
