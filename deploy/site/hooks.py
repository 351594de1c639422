"""What MkDocs does beside its plugins: groups of pages, links out of docs/, and the HTTP API."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROUTES = "<!-- routes -->"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", flags=re.DOTALL | re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace ``folder/*`` in the navigation by the pages of that folder which are not named elsewhere."""
    named = set(re.findall(r"[\w./-]+\.md", json.dumps(config.nav)))
    config.nav = _expanded(config.nav, Path(config.docs_dir), named)
    return config


def _expanded(nav: Any, docs: Path, named: set[str]) -> Any:
    if isinstance(nav, dict):
        return {title: _expanded(entry, docs, named) for title, entry in nav.items()}
    if not isinstance(nav, list):
        return nav
    entries: list[Any] = []
    for entry in nav:
        if isinstance(entry, str) and entry.endswith("/*"):
            pages = [page.relative_to(docs).as_posix() for page in sorted((docs / entry[:-2]).glob("*.md"))]
            entries += [page for page in pages if page not in named]
        else:
            entries.append(_expanded(entry, docs, named))
    return entries


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of the HTTP API to the site."""
    for source in sorted(_api(config).iterdir()):
        files.append(File.generated(config, f"assets/api/{source.name}", content=source.read_bytes()))
    return files


def _api(config: MkDocsConfig) -> Path:
    folder = Path(config.extra["api_folder"])
    if not (folder / "openapi.json").exists():
        raise PluginError(
            f"{folder}/openapi.json is missing. `make docs` writes it before it builds the site."
        )
    return folder


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show the routes of the HTTP API, and lead links out of docs/ to the repository."""
    if ROUTES in markdown:
        markdown = markdown.replace(ROUTES, _routes(_api(config) / "openapi.json"))
    ends = [match.span() for match in FENCE.finditer(markdown)]

    def changed(link: re.Match[str]) -> str:
        if any(start <= link.start() < end for start, end in ends):
            return link[0]
        return _outside(link, page.file.src_uri, config)

    return LINK.sub(changed, markdown)


def _outside(link: re.Match[str], page: str, config: MkDocsConfig) -> str:
    """A link to a file that is not in docs/: to the repository where there is one, else the file's name."""
    picture, text, target = link.groups()
    path, _, anchor = target.partition("#")
    place = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    if not place.startswith("../"):
        return link[0]
    place = place.removeprefix("../")
    if not (Path(config.docs_dir).parent / place).exists():
        raise PluginError(f"docs/{page}: there is no {place} that '{target}' could lead to")
    if config.repo_url:
        address = f"{config.repo_url.rstrip('/')}/{'raw' if picture else 'blob'}/main/{place}"
        return f"{picture}[{text}]({address}#{anchor})" if anchor else f"{picture}[{text}]({address})"
    name = f"`{place}`"
    return name if text.strip("`") in {place, posixpath.basename(place)} else f"{text} ({name})"


def _routes(file: Path) -> str:
    paths = json.loads(file.read_text(encoding="utf-8"))["paths"]
    rows = [
        f"| `{method.upper()} {path}` | {operation['summary']} | {', '.join(operation['tags'])} |"
        for path, operations in paths.items()
        for method, operation in operations.items()
    ]
    document = "The document itself: [openapi.json](../assets/api/openapi.json)."
    return "\n".join(["| call | what it does | part |", "|---|---|---|", *rows, "", document])
