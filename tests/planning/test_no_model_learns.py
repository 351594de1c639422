"""No model is trained on overrides: a refit after them makes the same forecasts."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from pandas.testing import assert_frame_equal

from projects import Project, copy_finished
from sales_forecast.planning.overrides import Correction, Scope
from sales_forecast.storage.database import open_database, writing
from sales_forecast.storage.overrides import add
from sales_forecast.storage.plan import planned_forecasts, read_published
from sales_forecast.storage.queries import newest_run

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def test_a_refit_after_overrides_makes_the_same_forecasts(small: Project, tmp_path: Path) -> None:
    project = copy_finished(small, tmp_path / "project")
    made = Path("07_model_output/turnover/forecasts.parquet")
    before = pd.read_parquet(project.path(str(made)))
    engine = open_database(f"sqlite:///{project.folder}/sales_forecast.db")
    with engine.connect() as connection:
        run = newest_run(connection, "turnover")
        assert run is not None
        published = read_published(connection, run)
    weeks = sorted(published.forecasts["week"].unique())
    asked = Correction(Scope(), weeks[0], weeks[-1], "percent", 900.0, "event")
    with writing(engine) as connection:
        stores = frozenset(published.forecasts["store"])
        add(connection, asked, stores, retailer=run.retailer, publication=run.id, who=("k", "Ann"), now=NOW)
    model = project.path("06_models/turnover/model.json")
    fitted_at = model.stat().st_mtime_ns
    code, output = project.run()
    assert code == 0, output[-3000:]
    assert model.stat().st_mtime_ns > fitted_at
    assert_frame_equal(pd.read_parquet(project.path(str(made))), before)
    with engine.connect() as connection:
        newest = newest_run(connection, "turnover")
        assert newest is not None
        plan = planned_forecasts(connection, read_published(connection, newest))
    assert plan["planned"].sum() > 9.9 * plan["forecast"].sum()  # and the override applies to what it made
    engine.dispose()
