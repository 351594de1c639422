"""Whether a page fits its screen and can be used by everybody, as axe-core judges."""

from pathlib import Path
from typing import Any

import pytest

axe = pytest.importorskip("axe_playwright_python")

PHONE, DESK = 390, 1400
AXE = (Path(axe.__file__).parent / "axe.min.js").read_text()
SERIOUS = ("serious", "critical")


def check_page(page: Any, what: str) -> None:
    """See that what is on screen does not scroll sideways and has no serious finding."""
    assert page.evaluate("document.scrollingElement.scrollWidth") <= page.viewport_size["width"], what
    found = page.evaluate(f"{AXE}; axe.run()")["violations"]
    assert [one["id"] for one in found if one["impact"] in SERIOUS] == [], what
