"""Both domains: the pages of the report, from the sections of all stages."""

from __future__ import annotations

from sales_forecast.reporting import PAGES

Pages = tuple[dict[str, str], ...]
"""HTML by name of the section, for each of ``reporting.PAGES``."""


def assemble_report(
    eda_report: str,
    evaluation_report: str,
    registration_report: str,
    inference_report: str,
    deployment_report: str,
) -> Pages:
    """Gather the sections of one domain for the pages.

    The section of a stage that has never run is empty and is left out.

    Args:
        eda_report: HTML of the section about the past.
        evaluation_report: HTML of the section about past forecasts.
        registration_report: HTML of the section about the deployment gate.
        inference_report: HTML of the section about the weeks or budgets ahead.
        deployment_report: HTML of the section about the deployed model.

    Returns:
        HTML by name of the section, for managers and for data scientists.
    """
    sections = {
        "eda": eda_report,
        "evaluation": evaluation_report,
        "registration": registration_report,
        "inference": inference_report,
        "deployment": deployment_report,
    }
    return _by_page(sections)


def assemble_turnover_report(
    eda_report: str,
    evaluation_report: str,
    registration_report: str,
    inference_report: str,
    deployment_report: str,
    attributions_report: str,
    changes_report: str,
    exceptions_report: str,
    accuracy_report: str,
) -> Pages:
    """Gather the sections of turnover, as ``assemble_report`` does, with four more.

    The stage monitoring comes after publication and adds its own.

    Args:
        eda_report: HTML of the section about the past.
        evaluation_report: HTML of the section about past forecasts.
        registration_report: HTML of the section about the deployment gate.
        inference_report: HTML of the section about the weeks ahead.
        deployment_report: HTML of the section about the deployed model.
        attributions_report: HTML of the section about the parts of the forecasts.
        changes_report: HTML of the section about changes since the last publication.
        exceptions_report: HTML of the section about series that deserve a planner's eye.
        accuracy_report: HTML of the section about published forecasts whose weeks have come.

    Returns:
        HTML by name of the section, for managers and for data scientists.
    """
    of_both = assemble_report(
        eda_report, evaluation_report, registration_report, inference_report, deployment_report
    )
    further = {
        "attributions": attributions_report,
        "changes": changes_report,
        "exceptions": exceptions_report,
        "accuracy": accuracy_report,
    }
    return tuple(both | own for both, own in zip(of_both, _by_page(further), strict=True))


def _by_page(sections: dict[str, str]) -> Pages:
    """Leave to each page the sections it shows, without those that are empty."""
    return tuple(
        {name: html for name, html in sections.items() if html and page.shows(name)}
        for page in PAGES.values()
    )
