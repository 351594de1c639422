"""The sections of a domain, gathered for the page."""

from sales_forecast.pipelines.inference.report import assemble_report


def test_the_page_has_the_sections_of_all_stages_that_have_run():
    assert assemble_report("<past>", "", "<gate>", "<ahead>", "<deployed>") == {
        "eda": "<past>",
        "registration": "<gate>",
        "inference": "<ahead>",
        "deployment": "<deployed>",
    }
