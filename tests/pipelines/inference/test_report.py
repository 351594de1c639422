"""The sections of a domain, gathered for the page."""

from sales_forecast.pipelines.inference.report import assemble_report, assemble_turnover_report


def test_the_page_has_the_sections_of_all_stages_that_have_run():
    assert assemble_report("<past>", "", "<gate>", "<ahead>", "<deployed>") == {
        "eda": "<past>",
        "registration": "<gate>",
        "inference": "<ahead>",
        "deployment": "<deployed>",
    }


def test_the_page_of_turnover_also_tells_what_changed_and_how_right_forecasts_were():
    others = ("<past>", "", "<gate>", "<ahead>", "<deployed>")
    further = {"exceptions": "<look>", "changes": "<changes>", "accuracy": "<right>"}
    assert (
        assemble_turnover_report(*others, "<changes>", "<look>", "<right>")
        == assemble_report(*others) | further
    )
    assert assemble_turnover_report(*others, "", "", "") == assemble_report(*others)
