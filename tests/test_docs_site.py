"""The documentation as a site: it is built, it is whole, and it asks no other host for anything."""

import os
import re
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from browser import NEEDS_CHROMIUM, Tab, browser
from conftest import MadeOnce
from projects import REPOSITORY

MKDOCS = REPOSITORY / ".venv-docs/bin/mkdocs"
LOADING = {"src", "srcset", "poster", "data"}
pytestmark = pytest.mark.skipif(not MKDOCS.exists(), reason="no MkDocs in .venv-docs: make docs-setup")


def mkdocs(site: Path, api: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MKDOCS, "build", "--strict", "--quiet", "--site-dir", site],
        cwd=REPOSITORY,
        env=os.environ | {"API_FOLDER": str(api), "NO_MKDOCS_2_WARNING": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(made_once: MadeOnce) -> Path:
    """The site as ``make docs`` builds it, in a folder of its own."""
    from deploy.site.openapi import write

    def build(folder: Path) -> None:
        write(folder / "api")
        built = mkdocs(folder / "site", folder / "api")
        assert built.returncode == 0, built.stdout + built.stderr

    return made_once("site", build) / "site"


class Loaded(HTMLParser):
    """Addresses that a browser loads by itself when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = LOADING | ({"href"} if tag in {"link", "use", "image"} else set())
        self.addresses += [value for name, value in attrs if name in names and value]


def test_no_page_and_no_style_loads_anything_of_another_host(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text())
        assert loaded.addresses, page
        for address in loaded.addresses:
            assert not re.match(r"(?:[a-z]+:)?//", address), (page, address)
            place = address.partition("#")[0].partition("?")[0]
            if place and not address.startswith("data:") and page.name != "404.html":
                assert (page.parent / place).exists(), (page, address)
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text()), style


def test_every_page_is_in_the_navigation(site: Path) -> None:
    linked = set(re.findall(r'href="([^"#]+)" class="md-nav__link', (site / "index.html").read_text()))
    docs = REPOSITORY / "docs"
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}
    named = {re.sub(r"README\.md$", "index.md", page).removesuffix(".md") + ".html" for page in pages}
    assert named - linked == set()


def test_links_out_of_the_docs_lead_to_the_repository_where_there_is_one(site: Path, tmp_path: Path) -> None:
    """Nobody knows where the repository is, unless the build is told; then the file's name stands there."""
    outside = "deploy/k8s/base/api.yaml"
    text = (site / "kubernetes.html").read_text()
    assert f"<code>{outside}</code>" in text
    assert f'{outside}"' not in text
    published = "https://code.example.com/shop/sales_forecast"
    built = mkdocs(tmp_path, site.parent / "api", REPOSITORY_URL=published)
    assert built.returncode == 0, built.stdout + built.stderr
    assert f'href="{published}/blob/main/{outside}"' in (tmp_path / "kubernetes.html").read_text()


def test_the_reference_has_what_the_guides_send_readers_to(site: Path) -> None:
    wanted = {
        "methods": ["methods.base.Method.forecast", "methods.declare.Methods", "methods.direct.DirectMethod"],
        "metrics": ["evaluation.metrics.wape", "evaluation.metrics.rmsse"],
        "registry": ["registry.store.Registry.promote"],
        "database": ["storage.queries.newest_run", "storage.publications.publish"],
        "models": ["models.turnover.TurnoverPackage", "models.marketing.BudgetPackage"],
    }
    for page, names in wanted.items():
        text = (site / f"reference/{page}.html").read_text()
        for name in names:
            assert re.search(rf'id="[\w.]*{re.escape(name)}"', text), (page, name)
    routes = (site / "reference/http-api.html").read_text()
    assert "GET /v1/turnover/forecasts/levels/{level}" in routes


SEARCH = """
const box = document.querySelector(".md-search__input");
box.focus();
box.value = "withdraw";
box.dispatchEvent(new Event("keyup", {bubbles: true}));
box.dispatchEvent(new Event("input", {bubbles: true}));
"""


@NEEDS_CHROMIUM
@pytest.mark.parametrize("width", [1400, 390])
def test_opened_as_files_the_pages_work_without_the_internet(site: Path, width: int) -> None:
    with browser() as tab:
        tab.listen()
        for page in ("reference/methods.html", "benchmarks.html", "reference/http-api.html", "index.html"):
            tab.open(site / page, width)
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert tab.ask(wide) == 0, f"{page} is wider than the screen"
            if page.endswith("http-api.html"):
                _until(tab, "document.querySelectorAll('#swagger-ui .opblock-tag').length > 5")
        tab.ask(SEARCH)
        _until(tab, "document.querySelectorAll('.md-search-result__item').length > 2")
        assert {address.partition(":")[0] for address in tab.requests()} <= {"file", "data", "about"}
        assert tab.complaints() == []


def _until(tab: Tab, so: str) -> None:
    end = time.monotonic() + 60
    while not tab.ask(so):
        assert time.monotonic() < end, so
        time.sleep(0.05)
