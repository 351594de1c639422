"""The pages of the report: who reads which, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

DOMAINS = ("turnover", "marketing")


@dataclass(frozen=True)
class Page:
    """One page, made of parts, in reading order. A stage that writes no section simply is not there.

    Args:
        title: Heading.
        readers: Whom it is for.
        parts: Title of a part -> the stages whose sections it has.
        rest: Whether sections of stages that no page names are here, at the end.
    """

    title: str
    readers: str
    parts: dict[str, tuple[str, ...]]
    rest: bool = False

    def shows(self, stage: str) -> bool:
        """Whether the sections of a stage are on this page."""
        return self._has(stage) or (self.rest and not any(page._has(stage) for page in PAGES.values()))

    def place(self, name: str) -> tuple[int, int, int]:
        """Part, domain and stage of a section, in reading order.

        Args:
            name: ``domain.stage``.
        """
        domain, _, stage = name.partition(".")
        which_domain = DOMAINS.index(domain) if domain in DOMAINS else len(DOMAINS)
        for part, stages in enumerate(self.parts.values()):
            if stage in stages:
                return part, which_domain, stages.index(stage)
        return len(self.parts) - 1, which_domain, len(self.parts)

    def _has(self, stage: str) -> bool:
        return any(stage in stages for stages in self.parts.values())


PAGES = {
    "report.html": Page(
        title="Sales forecast: the weeks ahead",
        readers="managers",
        parts={
            "What comes next": ("inference", "exceptions", "changes", "attributions"),
            "How right we were": ("accuracy", "monitoring"),
            "Until now": ("eda",),
        },
    ),
    "data_science.html": Page(
        title="Sales forecast: methods, models and data",
        readers="data scientists",
        parts={
            "How good the methods are": ("evaluation", "tuning"),
            "Which model serves": ("registration", "deployment"),
            "What changed in the data": ("drift",),
        },
        rest=True,
    ),
}
"""Name of the file -> the page. What to do comes first, then how far to trust it, then what it rests on."""
