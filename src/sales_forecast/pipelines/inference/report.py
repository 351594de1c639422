"""Both domains: the report page, from the sections of all stages."""

from __future__ import annotations


def assemble_report(
    eda_report: str,
    evaluation_report: str,
    registration_report: str,
    inference_report: str,
    deployment_report: str,
) -> dict[str, str]:
    """Gather the sections of one domain for the page.

    The section of a stage that has never run is empty and is left out.

    Args:
        eda_report: HTML of the section about the past.
        evaluation_report: HTML of the section about past forecasts.
        registration_report: HTML of the section about the deployment gate.
        inference_report: HTML of the section about the weeks or budgets ahead.
        deployment_report: HTML of the section about the deployed model.

    Returns:
        HTML by name of the section.
    """
    sections = {
        "eda": eda_report,
        "evaluation": evaluation_report,
        "registration": registration_report,
        "inference": inference_report,
        "deployment": deployment_report,
    }
    return {name: html for name, html in sections.items() if html}


def assemble_turnover_report(
    eda_report: str,
    evaluation_report: str,
    registration_report: str,
    inference_report: str,
    deployment_report: str,
    changes_report: str,
    exceptions_report: str,
    accuracy_report: str,
) -> dict[str, str]:
    """Gather the sections of turnover, as ``assemble_report`` does, with three more.

    The stage monitoring comes after publication and adds its own.

    Args:
        eda_report: HTML of the section about the past.
        evaluation_report: HTML of the section about past forecasts.
        registration_report: HTML of the section about the deployment gate.
        inference_report: HTML of the section about the weeks ahead.
        deployment_report: HTML of the section about the deployed model.
        changes_report: HTML of the section about changes since the last publication.
        exceptions_report: HTML of the section about series that deserve a planner's eye.
        accuracy_report: HTML of the section about published forecasts whose weeks have come.

    Returns:
        HTML by name of the section.
    """
    sections = assemble_report(
        eda_report, evaluation_report, registration_report, inference_report, deployment_report
    )
    further = {"exceptions": exceptions_report, "changes": changes_report, "accuracy": accuracy_report}
    return sections | {name: html for name, html in further.items() if html}
