"""Planners' numbers beside the forecasts: spread coherently, newest first, and refused where they may not reach."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from sales_forecast.planning.override_sheet import (
    SHEET_COLUMNS,
    RefusedRow,
    corrections_of,
    override_sheet,
)
from sales_forecast.planning.overrides import REASONS, Correction, Override, Scope
from sales_forecast.planning.planned import planned_rows
from sales_forecast.planning.proposals import (
    ForeignStoresError,
    NotPublishedError,
    Proposal,
    RefusedOverrideError,
    UnknownScopeError,
    propose,
)
from sales_forecast.planning.scaling import scale

FIRST = date(2017, 10, 7)
MONDAY = datetime(2017, 10, 2, 8, tzinfo=UTC)
AWKWARD = "=1+1"
"""A label that a spreadsheet would calculate."""


def week(number: int) -> date:
    return FIRST + timedelta(weeks=number)


def forecasts(**changes: Any) -> pd.DataFrame:
    """Stores 1 and 2 in the north, 3 in the south, each with bikes, tents and two weeks; tents sell nothing."""
    rows = [
        {"store": store, "department": department, "week": week(number), "region": region, "forecast": amount}
        for store, region, bikes in (("1", "north", 100.0), ("2", "north", 300.0), ("3", "south", 600.0))
        for department, amount in (("bikes", bikes), (AWKWARD, 0.0))
        for number in (0, 1)
    ]
    made = pd.DataFrame(rows)
    ends = {"lo_80": 0.7, "hi_80": 1.3, "lo_95": 0.5, "hi_95": 1.5}
    return made.assign(**{end: factor * made["forecast"] for end, factor in ends.items()}, **changes)


def levels(made: pd.DataFrame) -> pd.DataFrame:
    """The whole chain, whose interval is narrower than the sum of the series' intervals."""
    total = made.groupby("week", as_index=False)["forecast"].sum()
    ends = {"lo_80": 0.94, "hi_80": 1.06, "lo_95": 0.9, "hi_95": 1.1}
    return total.assign(
        level="total",
        key="all",
        department="all",
        **{end: by * total["forecast"] for end, by in ends.items()},
    )


def asked(kind: Any = "percent", value: float = 20.0, **changes: Any) -> Correction:
    labels = {name: changes.pop(name) for name in ("store", "department", "region") if name in changes}
    given = {"week_from": FIRST, "week_to": FIRST, "reason": "event"} | changes
    return Correction(scope=Scope(**labels), kind=kind, value=value, **given)


def override(number: int = 1, stores: str = "123", **changes: Any) -> Override:
    made_at = MONDAY + timedelta(minutes=number)
    return Override(number, asked(**changes), frozenset(stores), 1, "k", "Ann", made_at)


def planned(*overrides: Override, **changes: Any) -> pd.DataFrame:
    return planned_rows(forecasts(**changes), overrides)


def of(rows: pd.DataFrame, store: str, department: str = "bikes", number: int = 0) -> pd.Series:
    keys = (rows["store"] == store) & (rows["department"] == department) & (rows["week"] == week(number))
    return rows[keys].iloc[0]


# --- spreading -----------------------------------------------------------------------------------------


def test_without_overrides_the_plan_is_the_forecast() -> None:
    made = forecasts()
    rows = planned_rows(made, [])
    assert_frame_equal(rows[made.columns], made)
    assert rows["planned"].tolist() == made["forecast"].tolist()
    assert set(rows["factor"]) == {1.0}
    assert rows["override"].tolist() == [None] * len(made)


def test_per_cent_change_each_series_and_leave_other_weeks_alone() -> None:
    rows = planned(override(store="2", value=-50.0))
    assert (of(rows, "2")["planned"], of(rows, "2")["factor"], of(rows, "2")["override"]) == (150.0, 0.5, 1)
    assert of(rows, "2", number=1)["planned"] == 300.0
    assert of(rows, "1")["planned"] == 100.0


def test_a_number_for_a_region_is_shared_in_proportion_to_the_forecasts() -> None:
    rows = planned(override(region="north", kind="number", value=800.0))
    assert [of(rows, store)["planned"] for store in "123"] == [200.0, 600.0, 600.0]
    assert rows[(rows["region"] == "north") & (rows["week"] == FIRST)]["planned"].sum() == 800.0


def test_a_number_where_nothing_is_forecast_is_shared_equally() -> None:
    rows = planned(override(department=AWKWARD, kind="number", value=90.0))
    assert [of(rows, store, AWKWARD)["planned"] for store in "123"] == [30.0] * 3
    assert [of(rows, store, AWKWARD)["factor"] for store in "123"] == [0.0] * 3


def test_each_week_of_a_number_gets_the_whole_of_it() -> None:
    rows = planned(override(kind="number", value=500.0, week_to=week(1)))
    assert rows.groupby("week")["planned"].sum().tolist() == [500.0, 500.0]


def test_the_newest_override_counts_where_two_overlap() -> None:
    both = [override(1, value=10.0), override(2, store="1", department="bikes", value=50.0)]
    for order in (both, both[::-1]):
        rows = planned(*order)
        assert of(rows, "1")["planned"] == pytest.approx(150.0)
        assert of(rows, "2")["planned"] == pytest.approx(330.0)
        assert (of(rows, "1")["override"], of(rows, "2")["override"]) == (2, 1)


def test_a_store_that_comes_later_is_not_changed() -> None:
    """Who made the override had no say in that store, although it lies in the region."""
    rows = planned(override(region="north", stores="1", kind="number", value=50.0))
    assert [of(rows, store)["planned"] for store in "12"] == [50.0, 300.0]


def test_a_store_that_has_left_the_region_is_not_changed() -> None:
    moved = forecasts()["region"].mask(forecasts()["store"] == "1", "south")
    rows = planned(override(region="north", stores="12", value=100.0), region=moved)
    assert [of(rows, store)["planned"] for store in "12"] == [100.0, 600.0]


def test_stores_without_a_known_region_belong_to_none() -> None:
    rows = planned(override(region="north"), region=None)
    assert (rows["planned"] == rows["forecast"]).all()
    assert (planned_rows(forecasts().drop(columns="region"), [override(region="north")])["factor"] == 1).all()


def test_labels_and_weeks_of_a_run_are_taken_as_they_are() -> None:
    """Stages have numbers and timestamps where the database has text and dates."""
    made = forecasts().assign(
        store=lambda rows: rows["store"].astype(int), week=lambda rows: pd.to_datetime(rows["week"])
    )
    rows = planned_rows(made, [override(store="2", department="bikes")])
    assert rows.loc[rows["override"].notna(), ["store", "planned"]].values.tolist() == [[2, 360.0]]


@given(
    amounts=st.lists(st.floats(0, 1e9), min_size=12, max_size=12),
    value=st.floats(0, 1e12),
    scope=st.sampled_from(
        [{}, {"store": "1"}, {"region": "north"}, {"department": "bikes", "region": "south"}]
    ),
)
def test_the_series_add_up_to_the_number(amounts: list[float], value: float, scope: dict[str, str]) -> None:
    rows = planned(override(kind="number", value=value, **scope), forecast=amounts)
    changed = rows[rows["override"].notna()]
    assert len(changed) > 0
    assert changed["planned"].sum() == pytest.approx(value, rel=1e-9, abs=1e-6)
    assert (changed["planned"] >= 0).all()
    assert np.isfinite(rows[["planned", "factor"]].to_numpy()).all()


def test_intervals_are_scaled_as_the_forecast_was() -> None:
    rows = planned(override(value=100.0))
    ends = scale(rows, ["lo_80", "hi_95"])
    assert ends.loc[of(rows, "1").name].tolist() == pytest.approx([140.0, 300.0])
    assert ends.loc[of(rows, "1", number=1).name].tolist() == pytest.approx([70.0, 150.0])
    nothing = planned(override(value=-100.0))
    assert scale(nothing, ["lo_80", "hi_80"]).loc[of(nothing, "1").name].tolist() == [0.0, 0.0]


def test_where_nothing_was_forecast_the_planned_number_is_all_that_is_known() -> None:
    rows = planned(override(department=AWKWARD, kind="number", value=90.0))
    assert scale(rows, ["lo_80", "hi_80"]).loc[of(rows, "1", AWKWARD).name].tolist() == [30.0, 30.0]


def test_where_returns_were_forecast_to_exceed_sales_intervals_are_not_turned_around() -> None:
    rows = planned(override(store="1", department="bikes", kind="number", value=90.0), forecast=-10.0)
    ends = scale(rows, ["lo_80", "hi_80"]).loc[of(rows, "1").name]
    assert ends.tolist() == [90.0, 90.0]


# --- until when it counts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires", "first_week", "counts"),
    [
        (None, week(0), True),
        (None, week(1), True),
        (None, week(2), False),  # the weeks are past
        (week(1), week(0), True),
        (week(1), week(1), False),
        (week(0) + timedelta(days=1), week(0), True),
    ],
)
def test_an_override_applies_to_later_publications_until_it_expires(
    expires: date | None, first_week: date, counts: bool
) -> None:
    assert override(week_to=week(1), expires=expires).is_active(first_week) is counts


def test_a_withdrawn_override_counted_until_it_was_withdrawn() -> None:
    made = override()
    later = made.made_at + timedelta(hours=1)
    withdrawn = Override(**{**vars(made), "withdrawn_at": later})
    assert not withdrawn.is_active(FIRST)
    moments = [made.made_at, made.made_at + timedelta(minutes=1), later, later + timedelta(minutes=1)]
    assert [withdrawn.is_active(FIRST, at) for at in moments] == [False, True, True, False]


def test_per_cent_are_of_the_forecast_of_the_publication_that_serves() -> None:
    rows = planned_rows(forecasts(forecast=10.0), [override(store="1", department="bikes")])
    assert of(rows, "1")["planned"] == 12.0


# --- proposals -----------------------------------------------------------------------------------------


def proposal(*active: Override, may_plan: Any = lambda *_: True, **changes: Any) -> Proposal:
    made = forecasts()
    return propose(made, levels(made), asked(**changes), active, may_plan)


def warned(*active: Override, **changes: Any) -> list[str]:
    return [one.kind for one in proposal(*active, **changes).warnings]


def test_a_proposal_says_what_would_change() -> None:
    found = proposal(region="north", week_to=week(1))
    assert (found.series, found.stores) == (4, frozenset("12"))
    assert found.weeks[["week", "forecast", "planned"]].values.tolist() == [
        [week(0), 400.0, pytest.approx(480.0)],
        [week(1), 400.0, pytest.approx(480.0)],
    ]


def test_the_interval_of_a_published_sum_is_its_own_and_others_count_as_independent() -> None:
    assert proposal().weeks[["lo_80", "hi_95"]].values.tolist() == [
        [pytest.approx(940.0), pytest.approx(1100.0)]
    ]
    ends = proposal(store="1").weeks[["lo_80", "hi_95"]].values.tolist()
    assert ends == [[pytest.approx(70.0), pytest.approx(150.0)]]
    north = proposal(region="north").weeks["hi_80"].item()
    assert north == pytest.approx(400 + np.hypot(30, 90))


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({"store": "1", "value": 20.0}, []),
        ({"store": "1", "value": 9.0}, ["small"]),  # a third of 30 % is 10 %
        ({"value": 4.9}, ["small"]),  # the whole chain is known within 6 %, and 5 % is small all the same
        ({"value": 5.1}, []),
        ({"value": -11.0}, ["large"]),
        ({"store": "1", "kind": "number", "value": 151.0}, ["large"]),
        ({"department": AWKWARD, "kind": "number", "value": 1.0}, ["large"]),
    ],
)
def test_small_and_very_large_changes_are_told(change: dict[str, Any], kinds: list[str]) -> None:
    assert warned(**change) == kinds


def test_an_overlap_with_an_earlier_override_is_told() -> None:
    assert warned(override(7, department="bikes"), store="1") == ["overlapping"]
    assert warned(override(7, store="2"), store="1") == []
    assert warned(override(7, week_from=week(1), week_to=week(1)), store="1") == []


@pytest.mark.parametrize(
    ("change", "error", "field", "says"),
    [
        ({"store": "9"}, UnknownScopeError, "store", "no store '9'"),
        ({"store": "1\x00"}, UnknownScopeError, "store", "no store"),
        ({"department": "bikes\x00"}, UnknownScopeError, "department", "no department"),
        ({"region": "north\x00"}, UnknownScopeError, "region", "no region"),
        ({"department": "%"}, UnknownScopeError, "department", "no department '%'"),
        ({"region": "north' or 1=1"}, UnknownScopeError, "region", "no region"),
        ({"store": "3", "region": "north"}, UnknownScopeError, "scope", "store 3, region north"),
        ({"week_from": week(-1)}, NotPublishedError, "week_from", "is not forecast"),
        ({"week_to": week(9)}, NotPublishedError, "week_to", "2017-10-07 to 2017-10-14"),
        ({"week_from": week(1)}, RefusedOverrideError, "week_to", "before the first week"),
        ({"week_to": FIRST + timedelta(days=1)}, NotPublishedError, "week_to", "every seventh day"),
        ({"reason": "because"}, RefusedOverrideError, "reason", "promotion, event"),
        ({"reason": "other", "note": "  "}, RefusedOverrideError, "note", "needs a note"),
        ({"note": "x" * 501}, RefusedOverrideError, "note", "501"),
        ({"kind": "number", "value": -1.0}, RefusedOverrideError, "value", "from 0 to"),
        ({"value": -101.0}, RefusedOverrideError, "value", "from -100 to 1,000 per cent"),
        ({"value": float("nan")}, RefusedOverrideError, "value", "nan"),
        ({"expires": FIRST}, NotPublishedError, "expires", "would never count"),
    ],
)
def test_what_cannot_be_made_is_refused_by_its_field(
    change: dict[str, Any], error: type[RefusedOverrideError], field: str, says: str
) -> None:
    with pytest.raises(error) as caught:
        proposal(**change)
    assert type(caught.value) is error
    assert caught.value.field == field
    assert says in str(caught.value)


@pytest.mark.parametrize("scope", [{}, {"region": "north"}, {"department": "bikes"}, {"store": "2"}])
def test_no_override_reaches_into_another_planners_stores(scope: dict[str, str]) -> None:
    with pytest.raises(
        ForeignStoresError, match=r"of the \d stores of .* not yours to plan, such as store 2"
    ):
        proposal(may_plan=lambda store, region: store == "1", **scope)
    assert proposal(may_plan=lambda store, region: store == "1", store="1").stores == {"1"}


def test_a_region_is_open_to_those_who_plan_it() -> None:
    def may_plan(store: str, region: str | None) -> bool:
        return region == "north"

    assert proposal(may_plan=may_plan, region="north").stores == {"1", "2"}
    with pytest.raises(ForeignStoresError, match=r"1 of the 3 stores of department bikes .* store 3"):
        proposal(may_plan=may_plan, department="bikes")


# --- the sheet -----------------------------------------------------------------------------------------


def test_the_sheet_has_a_row_for_each_series_and_week() -> None:
    made = forecasts().assign(forecast=99.6, planned=99.6, override=None)
    made.loc[1, ["planned", "override"]] = 120.4, 7
    sheet = override_sheet(made)
    assert sheet["planned now"].dropna().to_dict() == {1: 120.0}
    assert list(sheet.columns) == SHEET_COLUMNS
    first = sheet.iloc[0].tolist()
    assert first[:4] == ["1", "bikes", FIRST, 100.0]
    assert len(sheet) == len(made)
    assert sheet[["planned", "per cent", "reason", "note"]].isna().all(axis=None)


def row(**changes: Any) -> dict[str, Any]:
    cells = {"store": "1", "department": "bikes", "week": FIRST, "forecast": 100.0}
    return cells | dict.fromkeys(("planned", "per cent", "reason", "note")) | changes


def test_rows_that_are_filled_in_become_corrections() -> None:
    rows = [
        (2, row()),
        (3, row(planned=120, reason="event", note="half marathon")),
        (4, row(store="2", week="2017-10-14", **{"per cent": "-12.5"}, reason="weather")),
        (5, row(store="3", week=datetime(2017, 10, 7), planned=0.0, reason="opening_hours")),
    ]
    found = dict(corrections_of(rows))
    assert found[3] == asked("number", 120.0, store="1", department="bikes", note="half marathon")
    assert found[4] == asked(
        value=-12.5, store="2", department="bikes", week_from=week(1), week_to=week(1), reason="weather"
    )
    assert found[5] == asked("number", 0.0, store="3", department="bikes", reason="opening_hours")
    assert len(found) == 3


@pytest.mark.parametrize(
    ("cells", "value", "why"),
    [
        ({"planned": "many", "reason": "event"}, "many", "planned: is no number"),
        ({"planned": FIRST, "reason": "event"}, "nan", None),
        ({"planned": 5.0, "per cent": 1.0, "reason": "event"}, "1.0", "per cent: there is a planned number"),
        ({"planned": 5.0}, "(empty)", "reason: every override needs one of promotion"),
        ({"planned": 5.0, "reason": "event", "week": "soon"}, "soon", "week: is no date"),
        ({"planned": 5.0, "reason": "event", "store": None}, "(empty)", "store: is empty"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_with_its_value(
    cells: dict[str, Any], value: str, why: str | None
) -> None:
    ((number, found),) = corrections_of([(7, row(**cells))])
    if why is None:  # a date is no amount, which the check of values says
        assert isinstance(found, Correction)
        assert np.isnan(found.value)
        return
    assert isinstance(found, RefusedRow)
    assert (number, found.row, found.value) == (7, 7, value)
    assert found.why.startswith(why)


def test_a_row_that_is_there_twice_is_refused_the_second_time() -> None:
    twice = [(2, row(planned=1.0, reason="event")), (3, row(planned=2.0, reason="event"))]
    _, (number, found) = corrections_of(twice)
    assert number == 3
    assert isinstance(found, RefusedRow)
    assert "row 2 is for the same" in found.why


def test_reasons_are_codes_with_a_meaning() -> None:
    assert all(code.replace("_", "").isalpha() and meaning for code, meaning in REASONS.items())
