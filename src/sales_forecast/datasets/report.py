"""The report in the catalog: its sections, and the pages that are assembled from them."""

from __future__ import annotations

import posixpath
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from sales_forecast.datasets.files import locked, write_whole
from sales_forecast.places import exists, next_to, read_text, read_texts
from sales_forecast.reporting import PAGES, Section, render_page, render_section

SECTIONS = "sections"
"""Folder of the sections, beside the pages."""


class ReportSectionDataset(AbstractDataset[Section, str]):
    """One section of the report; saving it puts its page together again.

    Sections are kept as HTML fragments beside the pages, so that a run of one domain or one stage
    renews its own part and leaves the others.

    Args:
        filepath: The first page, one self-contained HTML file; the others are beside it.
        domain: ``turnover`` or ``marketing``.
        stage: The stage that writes the section; decides on which page it stands, and where.
        metadata: For kedro-viz.
    """

    def __init__(
        self, *, filepath: str, domain: str, stage: str, metadata: dict[str, Any] | None = None
    ) -> None:
        self._page, self._stage, self._name = filepath, stage, f"{domain}.{stage}"
        self._fragment = next_to(filepath, SECTIONS, f"{self._name}.html")
        self.metadata = metadata

    def load(self) -> str:
        """Return the section's HTML; empty if no run has written it yet."""
        return read_text(self._fragment) if self._exists() else ""

    def save(self, data: Section) -> None:
        """Render the section, then its page from all sections there are."""
        write_whole(self._fragment, render_section(data, self._name))
        (file,) = (file for file, page in PAGES.items() if page.shows(self._stage))
        _render(next_to(self._page, file))

    def _exists(self) -> bool:
        return exists(self._fragment)

    def _describe(self) -> dict[str, Any]:
        return {"page": self._page, "section": self._name}


class ReportDataset(AbstractDataset[dict[str, str], str]):
    """A page of the report, as one domain completes it; the sections of the other domain stay as they are.

    Args:
        filepath: The page, one self-contained HTML file with a name of ``reporting.PAGES``.
        domain: ``turnover`` or ``marketing``.
        metadata: For kedro-viz.
    """

    def __init__(self, *, filepath: str, domain: str, metadata: dict[str, Any] | None = None) -> None:
        self._page, self._domain = filepath, domain
        if posixpath.basename(filepath) not in PAGES:
            raise DatasetError(
                f"{filepath}: the report has no page of this name. Its pages are {', '.join(PAGES)}"
            )
        self.metadata = metadata

    def load(self) -> str:
        """Return the page's HTML."""
        return read_text(self._page)

    def save(self, data: dict[str, str]) -> None:
        """Render the page, with these sections of the domain."""
        _render(self._page, {f"{self._domain}.{name}": html for name, html in data.items()})

    def _exists(self) -> bool:
        return exists(self._page)

    def _describe(self) -> dict[str, Any]:
        return {"page": self._page, "domain": self._domain}


def _render(page: str, sections: dict[str, str] | None = None) -> None:
    """Put the page together from the sections kept beside it, and from newer ones."""
    with locked(page):
        kept = read_texts(next_to(page, SECTIONS), ".html")
        write_whole(page, render_page(kept | (sections or {}), posixpath.basename(page)))
