"""The files of each publication: ``data/`` has those of what serves, also after a run that failed.

A run writes them before it publishes. It notes what serves first; if it fails, or is killed and another run
begins, the kept files of that publication take their places again.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sales_forecast.atomic import whole_file, whole_folder
from sales_forecast.project_root import project_root

if TYPE_CHECKING:
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

KEPT = {
    "turnover": (
        *("turnover.forecasts", "turnover.forecasts_by_level", "turnover.attributions"),
        *("turnover.changes", "turnover.target_chances", "turnover.planner_exceptions"),
        *("turnover.planner_sheet", "turnover.report"),
    ),
    "marketing": ("marketing.budget_curve", "marketing.recommendation", "marketing.report"),
}
"""Domain -> the datasets that people and programs read as files."""


def kept_folder(publication: int) -> Path:
    """Where the files of a publication are kept, by its number in the ledger."""
    return Path(project_root()) / "data" / "publications" / str(publication)


def _note() -> Path:
    """File that names what served when a run began that has not ended yet."""
    return Path(project_root()) / "data" / "publications" / "under_way.json"


def begin_publishing(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Note what serves before a run writes the files of the next publication.

    Args:
        pipeline: What is run.
        catalog: Where the publications are.
    """
    made = pipeline.all_outputs()
    serving = {name: catalog.load(f"{name}.publication") for name in KEPT if f"{name}.publication" in made}
    if serving:
        with whole_file(_note()) as part:
            part.write_text(json.dumps({domain: run.id if run else None for domain, run in serving.items()}))


def end_publishing() -> None:
    """Note that the files are complete."""
    _note().unlink(missing_ok=True)


def bring_back_unpublished(catalog: DataCatalog) -> None:
    """Bring back the files of what serves, if a run has ended after it had written some and not published.

    Args:
        catalog: Where the publications are.
    """
    if not _note().exists():
        return
    for domain, before in json.loads(_note().read_text()).items():
        serves = catalog.load(f"{domain}.publication")
        if serves is not None and before is not None and serves.id <= before and bring_back_files(serves.id):
            logger.info("The files in data/ are those of publication %s again, which serves.", serves.id)
    end_publishing()


def keep_published_files(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Keep the files of what a run has published, under its number in the ledger.

    Args:
        pipeline: What was run.
        catalog: Where the files are.
    """
    root = Path(project_root())
    for domain, names in KEPT.items():
        made = pipeline.all_outputs()
        if f"{domain}.publication" not in made or not set(names) <= made:
            continue
        published = catalog.load(f"{domain}.publication")
        if published is None or (folder := kept_folder(published.id)).exists():
            continue
        with whole_folder(folder) as part:
            for name in names:
                file = Path(catalog.config_resolver.resolve_pattern(name)["filepath"])
                if (source := root / file).exists():
                    target = part / file.relative_to(root) if file.is_absolute() else part / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(source, target)


def bring_back_files(publication: int) -> int:
    """Let the files of a publication take the place of the present ones, each whole.

    Args:
        publication: Its number in the ledger.

    Returns:
        How many files; 0 if they are not kept.
    """
    root, folder = Path(project_root()), kept_folder(publication)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for file in files:
        with whole_file(root / file.relative_to(folder)) as part:
            shutil.copy2(file, part)
    return len(files)
