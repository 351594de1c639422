"""The report in the catalog: its sections, and the page that is assembled from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from sales_forecast.datasets.files import locked, write_whole
from sales_forecast.reporting import Section, render_page, render_section


class ReportSectionDataset(AbstractDataset[Section, str]):
    """One section of the report; saving it puts the whole page together again.

    Sections are kept as HTML fragments beside the page, so that a run of one domain or one stage
    renews its own part and leaves the others.

    Args:
        filepath: The page, one self-contained HTML file.
        domain: ``turnover`` or ``marketing``.
        stage: The stage that writes the section; decides where on the page it stands.
        metadata: For kedro-viz.
    """

    def __init__(
        self, *, filepath: str, domain: str, stage: str, metadata: dict[str, Any] | None = None
    ) -> None:
        self._page = Path(filepath)
        self._fragment = self._page.parent / "sections" / f"{domain}.{stage}.html"
        self.metadata = metadata

    def load(self) -> str:
        """Return the section's HTML; empty if no run has written it yet."""
        return self._fragment.read_text(encoding="utf-8") if self._exists() else ""

    def save(self, data: Section) -> None:
        """Render the section, then the page from all sections there are."""
        write_whole(self._fragment, render_section(data, self._fragment.stem))
        _render(self._page)

    def _exists(self) -> bool:
        return self._fragment.exists()

    def _describe(self) -> dict[str, Any]:
        return {"page": self._page.as_posix(), "section": self._fragment.stem}


class ReportDataset(AbstractDataset[dict[str, str], str]):
    """The report page, as one domain completes it; the sections of the other domain stay as they are.

    Args:
        filepath: The page, one self-contained HTML file.
        domain: ``turnover`` or ``marketing``.
        metadata: For kedro-viz.
    """

    def __init__(self, *, filepath: str, domain: str, metadata: dict[str, Any] | None = None) -> None:
        self._page, self._domain = Path(filepath), domain
        self.metadata = metadata

    def load(self) -> str:
        """Return the page's HTML."""
        return self._page.read_text(encoding="utf-8")

    def save(self, data: dict[str, str]) -> None:
        """Render the page, with these sections of the domain."""
        _render(self._page, {f"{self._domain}.{name}": html for name, html in data.items()})

    def _exists(self) -> bool:
        return self._page.exists()

    def _describe(self) -> dict[str, Any]:
        return {"page": self._page.as_posix(), "domain": self._domain}


def _render(page: Path, sections: dict[str, str] | None = None) -> None:
    """Put the page together from the sections kept beside it, and from newer ones."""
    with locked(page):
        kept = {path.stem: path.read_text("utf-8") for path in (page.parent / "sections").glob("*.html")}
        write_whole(page, render_page(kept | (sections or {})))
