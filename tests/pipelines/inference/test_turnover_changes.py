"""What changed since the last forecast: found in a run, and told in the report."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pandera.errors
import pytest

from contexts import NO_CALENDAR, NO_COVARIATES, NO_SHIFTS, Hundred
from handovers import half_widths
from publications import changes, sums
from sales_forecast.contracts import Changes
from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.errors import InputError
from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.changes import CAUSES, no_changes
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.naive import SeasonalNaive
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import DataVersion
from sales_forecast.pipelines.inference.turnover import make_forecasts
from sales_forecast.pipelines.inference.turnover_changes import chart_changes, find_changes, report_changes
from sales_forecast.registry.serving import UNTRACKED, ServingModel
from sales_forecast.registry.versions import RegisteredVersions
from sales_forecast.reporting import Chart, Table, render_section
from sales_forecast.storage.database import open_database, upgrade
from sales_forecast.storage.publications import Publication, publish

WEEKS = pd.date_range("2016-01-02", periods=58, freq="7D")
MADE = datetime(2017, 2, 6, tzinfo=UTC)
NAME = "sales_forecast.turnover"


def tables(weeks: int, panel: pd.DataFrame | None = None) -> ModelInput:
    """Two stores; the first week sold 1, the second 2, and so on."""
    known = pd.MultiIndex.from_product([(1, 2), ["bikes"], WEEKS[:weeks]], names=ROW_KEYS).to_frame(
        index=False
    )
    known["turnover"] = (known["week"] - WEEKS[0]).dt.days // 7 + 1.0
    stores = pd.DataFrame({"store": [1, 2]})
    return ModelInput(known if panel is None else panel, stores, NO_CALENDAR, NO_COVARIATES)


def index(data: ModelInput) -> pd.DataFrame:
    ahead = pd.date_range(data.last_week, periods=4, freq="7D")[1:]
    return pd.MultiIndex.from_product([(1, 2), ["bikes"], ahead], names=ROW_KEYS).to_frame(index=False)


def serving(version: str, data: ModelInput, data_version: str, method=None) -> ServingModel[TurnoverPackage]:
    model = TurnoverModel(
        name="a method",
        method=method or SeasonalNaive(),
        fitted={},
        cutoff=data.last_week.date(),
        horizon_weeks=3,
        level_shifts=NO_SHIFTS,
        intervals=IntervalParams(scale_share=0.1),
        half_widths=half_widths(1.0, 2.0),
        cold_start_half_widths=half_widths(1.0, 2.0),
        level_half_widths={},
    )
    package = TurnoverPackage(model, data, index(data), pd.DataFrame())
    return ServingModel(NAME, package, version, f"run {version}", data_version)


@dataclass(frozen=True)
class Kept(RegisteredVersions):
    """A registry in memory."""

    packages: tuple[tuple[str, TurnoverPackage], ...] = ()

    def package(self, name, version, kind):
        known = dict(self.packages)
        if version not in known:
            raise InputError(f"{name} has no version {version}")
        return known[version]


NOTHING = Kept()


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """A database without publications."""
    engine = open_database(f"sqlite:///{tmp_path}/shop.db")
    upgrade(engine)
    engine.dispose()
    return Recorded(f"sqlite:///{tmp_path}/shop.db")


def forecast(model: ServingModel[TurnoverPackage], data: ModelInput, version: str) -> pd.DataFrame:
    return make_forecasts(model, index(data), data, DataVersion(version=version, files={}))


def published(
    recorded: Recorded, model: ServingModel[TurnoverPackage], data: ModelInput, version: str
) -> None:
    """Publish what a model forecasts from the data."""
    rows = forecast(model, data, version).drop(columns=list(model.stamp(version)))
    engine = open_database(recorded.url)
    content = {"forecasts": rows.assign(**dict.fromkeys(PARTS, 0.0)), "level_forecasts": sums().iloc[:0]}
    publication = Publication(
        "turnover",
        {"model_name": NAME} | model.stamp(version),
        content,
        weekly_turnover=data.panel,
        cutoff=data.last_week.date(),
    )
    assert publish(engine, publication, MADE)
    engine.dispose()


def found(recorded: Recorded, now: ServingModel, data: ModelInput, versions: Kept = NOTHING) -> pd.DataFrame:
    made = forecast(now, data, "data 2")
    changes_found = find_changes(now, made, made, data, recorded, versions)
    Changes.validate(changes_found)
    return changes_found


def test_the_first_publication_has_no_changes(recorded: Recorded) -> None:
    data = tables(56)
    pd.testing.assert_frame_equal(found(recorded, serving("1", data, "data 1"), data), no_changes())


def test_another_method_is_why_forecasts_changed(recorded: Recorded) -> None:
    old, data = serving("1", tables(56), "data 1"), tables(57)
    published(recorded, old, tables(56), "data 1")
    now = serving("2", data, "data 2", Hundred())
    changes_found = found(recorded, now, data, Kept(packages=(("1", old.package),)))
    assert changes_found[ROW_KEYS].to_numpy().tolist() == [
        [store, "bikes", week] for store in (1, 2) for week in index(data)["week"].unique()[:2]
    ]
    assert changes_found["before"].tolist() == [6.0, 7.0] * 2  # the weeks 58 and 59 are last year's 6 and 7
    assert changes_found["model"].tolist() == [94.0, 93.0] * 2
    assert changes_found["after"].tolist() == [100.0] * 4
    assert not changes_found[[cause for cause in CAUSES if cause != "model"]].any(axis=None)


def test_a_model_that_forecast_from_later_data_is_asked_on_the_turnover_known_then(
    recorded: Recorded,
) -> None:
    """Version 1 is of 55 weeks and forecast from 56; of these, one is restated now."""
    old = serving("1", tables(55), "data 0")
    published(recorded, old, tables(56), "data 1")
    data = tables(57)
    data.panel.loc[data.panel["week"] == WEEKS[5], "turnover"] = 16.0  # week 6 is repeated in week 58
    changes_found = found(recorded, serving("1", tables(55), "data 0"), data)
    assert changes_found["restated"].tolist() == [10.0, 0.0] * 2
    assert changes_found["after"].tolist() == [16.0, 7.0] * 2


def test_a_version_that_is_gone_leaves_no_changes_and_the_log_says_so(recorded, caplog) -> None:
    published(recorded, serving("1", tables(56), "data 1"), tables(56), "data 1")
    with caplog.at_level(logging.INFO):
        assert found(recorded, serving("2", tables(57), "data 2"), tables(57)).empty
    (record,) = [each for each in caplog.records if "is not known" in each.message]
    assert record.message == (
        "Why forecasts changed since publication 1 is not known: sales_forecast.turnover has no version 1."
    )


def test_a_model_that_was_never_registered_cannot_be_compared_with(recorded: Recorded) -> None:
    published(recorded, serving(UNTRACKED, tables(56), "data 1"), tables(56), "data 1")
    with pytest.raises(
        InputError, match=r"version untracked of sales_forecast.turnover is not in a registry"
    ):
        RegisteredVersions().package(NAME, UNTRACKED, TurnoverPackage)
    assert found(recorded, serving(UNTRACKED, tables(57), "data 2"), tables(57)).empty


# --- the contract ------------------------------------------------------------------------------------


def test_the_contract_knows_every_cause_and_refuses_what_does_not_add_up() -> None:
    Changes.validate(changes())
    with pytest.raises(pandera.errors.SchemaError, match="causes_add_up"):
        Changes.validate(changes().assign(after=81.0))


# --- the report --------------------------------------------------------------------------------------

BOTH = pd.concat([changes(), changes(refit=0.0, new_weeks=5.0, store=2)], ignore_index=True)


def test_the_report_says_what_changed_and_why() -> None:
    section = report_changes(BOTH, chart_changes(BOTH))
    assert section.title == "Turnover: what changed since the last forecast"
    assert section.answers == (
        "The sum over these weeks was 400 and is now **370** (-7.5%).",
        "Causes: the method was fitted again: -60; weeks that came since: +30.",
    )
    causes, levels, largest = [block.frame for block in section.blocks if isinstance(block, Table)]
    assert causes["change"].tolist() == [30.0, -60.0]
    assert levels.set_index("level")["cycle-over-cycle change"].to_dict() == pytest.approx(
        {"store and department": 0.125, "department": 0.075, "store": 0.125, "all together": 0.075}
    )
    assert largest["store"].tolist() == [1, 2]
    assert largest.loc[0, "why"] == "the method was fitted again: -60; weeks that came since: +20"
    assert "the method was fitted again" in render_section(section, "turnover.changes")


def test_without_a_publication_before_the_report_says_so_in_a_sentence() -> None:
    section = report_changes(no_changes(), chart_changes(no_changes()))
    assert (
        section.lead == "There is no publication from older data that these forecasts can be compared with."
    )
    assert not any(isinstance(block, Chart | Table) for block in section.blocks)


def test_the_chart_leads_from_the_last_forecast_to_this_one() -> None:
    (bars,) = chart_changes(BOTH).data
    assert list(bars.y) == [400.0, 30.0, -60.0, 0.0]
    assert list(bars.measure) == ["absolute", "relative", "relative", "total"]
    low, high = chart_changes(BOTH).layout.yaxis.range
    assert 0 < low < 370
    assert high > 430
