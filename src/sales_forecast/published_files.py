"""The files of each publication: ``data/`` has those of what serves, also after a run that failed.

A run writes them before it publishes. It notes what serves first; if it fails, or is killed and another run
begins, the kept files of that publication take their places again.
"""

from __future__ import annotations

import json
import logging
import posixpath
import shutil
from typing import TYPE_CHECKING

from sales_forecast.atomic import whole_file, whole_folder
from sales_forecast.data_root import in_project
from sales_forecast.places import exists, join, local_file, local_folder, packed, read_text, remove_file

if TYPE_CHECKING:
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

KEPT = {
    "turnover": (
        *("turnover.forecasts", "turnover.forecasts_by_level", "turnover.attributions"),
        *("turnover.changes", "turnover.target_chances", "turnover.planner_exceptions"),
        *("turnover.planner_sheet", "turnover.report", "turnover.data_science_report"),
    ),
    "marketing": (
        *("marketing.budget_curve", "marketing.recommendation"),
        *("marketing.report", "marketing.data_science_report"),
    ),
}
"""Domain -> the datasets that people and programs read as files."""


def kept_folder(root: str, publication: int) -> str:
    """Where the files of a publication are kept.

    Args:
        root: Folder or URL of the data.
        publication: Its number in the ledger.
    """
    return join(root, "publications", str(publication))


def _note(root: str) -> str:
    """File that names what served when a run began that has not ended yet."""
    return join(root, "publications", "under_way.json")


def begin_publishing(pipeline: Pipeline, catalog: DataCatalog, root: str) -> None:
    """Note what serves before a run writes the files of the next publication.

    Args:
        pipeline: What is run.
        catalog: Where the publications are.
        root: Folder or URL of the data.
    """
    made = pipeline.all_outputs()
    serving = {name: catalog.load(f"{name}.publication") for name in KEPT if f"{name}.publication" in made}
    if serving:
        with whole_file(_note(root)) as part:
            part.write_text(json.dumps({domain: run.id if run else None for domain, run in serving.items()}))


def end_publishing(root: str) -> None:
    """Note that the files are complete."""
    remove_file(_note(root))


def bring_back_unpublished(catalog: DataCatalog, root: str) -> None:
    """Bring back the files of what serves, if a run has ended after it had written some and not published.

    Args:
        catalog: Where the publications are.
        root: Folder or URL of the data.
    """
    if not exists(_note(root)):
        return
    for domain, before in json.loads(read_text(_note(root))).items():
        serves = catalog.load(f"{domain}.publication")
        if serves is None or before is None or serves.id > before:
            continue
        if bring_back_files(serves.id, root):
            logger.info("The files in data/ are those of publication %s again, which serves.", serves.id)
    end_publishing(root)


def keep_published_files(pipeline: Pipeline, catalog: DataCatalog, root: str) -> None:
    """Keep the files of what a run has published, under its number in the ledger.

    Args:
        pipeline: What was run.
        catalog: Where the files are; those that are not beside or below ``root`` are not kept.
        root: Folder or URL of the data.
    """
    around = posixpath.dirname(root)
    for domain, names in KEPT.items():
        made = pipeline.all_outputs()
        if f"{domain}.publication" not in made or not set(names) <= made:
            continue
        published = catalog.load(f"{domain}.publication")
        if published is None or exists(packed(folder := kept_folder(root, published.id))):
            continue
        with whole_folder(folder) as part:
            part.mkdir()
            for name in names:
                place = in_project(catalog.config_resolver.resolve_pattern(name)["filepath"])
                if place.startswith(f"{around}/") and exists(place):
                    target = part / place.removeprefix(f"{around}/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with local_file(place) as file:
                        shutil.copy2(file, target)


def bring_back_files(publication: int, root: str) -> int:
    """Let the files of a publication take the place of the present ones, each whole.

    Args:
        publication: Its number in the ledger.
        root: Folder or URL of the data.

    Returns:
        How many files; 0 if they are not kept.
    """
    if not exists(packed(kept_folder(root, publication))):
        return 0
    with local_folder(kept_folder(root, publication)) as folder:
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        for file in files:
            place = join(posixpath.dirname(root), file.relative_to(folder).as_posix())
            with whole_file(place) as part:
                shutil.copy2(file, part)
    return len(files)
