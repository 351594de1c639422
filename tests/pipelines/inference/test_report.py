"""The sections of a domain, gathered for the page."""

from sales_forecast.pipelines.inference.report import assemble_report, assemble_turnover_report


def test_the_pages_have_the_sections_of_all_stages_that_have_run():
    managers, data_scientists = assemble_report("<past>", "", "<gate>", "<ahead>", "<deployed>")
    assert managers == {"eda": "<past>", "inference": "<ahead>"}
    assert data_scientists == {"registration": "<gate>", "deployment": "<deployed>"}


def test_the_page_of_turnover_also_tells_what_changed_and_how_right_forecasts_were():
    others = ("<past>", "", "<gate>", "<ahead>", "<deployed>")
    further = {"attributions": "<why>", "exceptions": "<look>", "changes": "<changes>", "accuracy": "<right>"}
    managers, data_scientists = assemble_report(*others)
    assert assemble_turnover_report(*others, "<why>", "<changes>", "<look>", "<right>") == (
        managers | further,
        data_scientists,
    )
    assert assemble_turnover_report(*others, "", "", "", "") == assemble_report(*others)
