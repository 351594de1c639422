"""Tables -> answered business questions, charts and the report's last part."""

from kedro.pipeline import Pipeline

from sales_forecast.forecasting.panel.level_shifts import find_level_shifts
from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.eda_reporting.marketing import (
    answer_marketing,
    draw_distributions,
    draw_scatter,
    write_budget_facts,
)
from sales_forecast.pipelines.eda_reporting.turnover import (
    answer_questions,
    find_best_weeks,
    guess_sports,
    index_seasons,
    list_repairs,
    rank_stores,
    sum_by_department,
    sum_weeks,
)
from sales_forecast.pipelines.eda_reporting.turnover_charts import (
    draw_best_stores,
    draw_seasons,
    draw_weeks,
    draw_years,
)
from sales_forecast.pipelines.eda_reporting.turnover_section import write_section

TURNOVER = [
    step(sum_weeks, ["panel"], "weekly_table"),
    step(sum_by_department, ["panel"], "by_department_table"),
    step(rank_stores, ["panel", "params:questions"], "best_stores_table"),
    step(find_best_weeks, ["weekly_table", "params:questions"], "best_weeks_table"),
    step(index_seasons, ["weekly_table", "by_department_table"], "seasons_table"),
    step(guess_sports, ["seasons_table", "params:sports"], "sports_table"),
    step(find_level_shifts, ["panel", "params:level_shifts"], "level_shifts_table"),
    step(list_repairs, ["panel"], "repaired_table"),
    step(draw_years, ["by_department_table"], "years_chart"),
    step(draw_best_stores, ["best_stores_table"], "best_stores_chart"),
    step(draw_seasons, ["seasons_table"], "seasons_chart"),
    step(draw_weeks, ["weekly_table", "level_shifts_table", "repaired_table"], "weeks_chart"),
    step(
        answer_questions,
        [
            "by_department_table",
            "best_stores_table",
            "best_weeks_table",
            "sports_table",
            "level_shifts_table",
            "repaired_table",
            "params:questions",
        ],
        "answers",
    ),
    step(
        write_section,
        [
            "weekly_table",
            "by_department_table",
            "best_stores_table",
            "best_weeks_table",
            "seasons_table",
            "sports_table",
            "level_shifts_table",
            "repaired_table",
            "years_chart",
            "best_stores_chart",
            "seasons_chart",
            "weeks_chart",
            "params:questions",
        ],
        "eda_report",
    ),
]

MARKETING = [
    step(answer_marketing, ["budgets", "params:high_spend_low_sales"], "answers"),
    step(
        draw_distributions,
        ["budgets", "answers"],
        ["tv_distribution_chart", "sales_distribution_chart"],
    ),
    step(draw_scatter, ["budgets", "answers"], "scatter_chart"),
    step(
        write_budget_facts,
        ["budgets", "answers", "tv_distribution_chart", "sales_distribution_chart", "scatter_chart"],
        "eda_report",
    ),
]


def create_pipeline() -> Pipeline:
    """Make this stage of both domains."""
    return domain_stage("turnover", "eda_reporting", TURNOVER) + domain_stage(
        "marketing", "eda_reporting", MARKETING
    )
