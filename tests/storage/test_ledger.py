"""What was published stays, can be proved, and can be taken back; on SQLite and on a real PostgreSQL."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, text

from publications import everything, forecasts, publication, rows, sums
from sales_forecast.errors import InputError
from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.earlier import earlier_forecasts
from sales_forecast.storage.ledger import Verified, digest_of, publications, verify
from sales_forecast.storage.publications import publish
from sales_forecast.storage.queries import Run, newest_run
from sales_forecast.storage.rows import RowFilter, filtered_rows
from sales_forecast.storage.withdrawals import restore, why_nothing_serves, withdraw

pytestmark = pytest.mark.xdist_group("database")

FIRST_STORE = RowFilter((("store", ("1",)),))

MONDAY = datetime(2017, 10, 2, 6, tzinfo=UTC)
TUESDAY, WEDNESDAY, THURSDAY = (MONDAY + timedelta(days=days) for days in (1, 2, 3))
CODE = {"git_commit": "c" * 40, "requirements_lock": "a" * 64}


def published(engine: Engine, first: float, at: datetime, **changes: Any) -> None:
    assert publish(engine, publication(first, code=CODE, **changes), at)


def checked(engine: Engine) -> Verified:
    with engine.connect() as connection:
        return verify(connection)


def serving(engine: Engine, as_of: datetime | None = None, cutoff: date | None = None) -> Run | None:
    with engine.connect() as connection:
        return newest_run(connection, "turnover", as_of, cutoff=cutoff)


def first_forecast(engine: Engine, run: Run | None) -> float | None:
    if run is None:
        return None
    with engine.connect() as connection:
        found, _ = filtered_rows(connection, schema.forecasts, run, FIRST_STORE, limit=1, offset=0)
    return float(found[0]["forecast"])


# --- the chain ---------------------------------------------------------------------------------------


def test_a_ledger_that_nobody_has_touched_is_whole(engine: Engine) -> None:
    assert checked(engine) == Verified(0, 0, 0, (), None)
    for day, first in enumerate((100.0, 200.0, 300.0)):
        published(engine, first, MONDAY + timedelta(days=day))
    found = checked(engine)
    assert (found.publications, found.broken, found.unchained) == (3, (), 0)
    assert found.last == rows(engine, "forecast_runs")[-1]["chain"]


def test_a_zero_with_a_sign_is_a_zero(engine: Engine) -> None:
    """As the database stores it; attributions have many."""
    table = forecasts().assign(other=-0.0, peers=[0.0, -0.0] * 3)
    published(engine, 100.0, MONDAY, tables={"forecasts": table, "level_forecasts": sums()})
    assert checked(engine).broken == ()


CHANGES = {
    "a forecast": "update forecasts set forecast = forecast + 1 where run = 2 and store = '1'",
    "the last digit of a forecast": "update forecasts set q70 = q70 * 1.0000000000000002 where run = 2 and store = '1'",
    "an interval of a sum": "update level_forecasts set hi_95 = 1 where run = 2",
    "a row that is gone": "delete from forecasts where run = 2 and store = '3'",
    "a row of another store": "update forecasts set store = '77' where run = 2 and store = '3'",
    "the model": "update forecast_runs set model_version = '9' where id = 2",
    "the data": "update forecast_runs set data_version = 'others' where id = 2",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_number_that_was_changed_is_found(engine: Engine, change: str) -> None:
    for day, first in enumerate((100.0, 200.0, 300.0)):
        published(engine, first, MONDAY + timedelta(days=day))
    with writing(engine) as connection:
        assert connection.execute(text(CHANGES[change])).rowcount == 1
    assert [sentence.split(":")[0][:13] for sentence in checked(engine).broken] == ["publication 2"]


@pytest.mark.parametrize(
    "change",
    [
        "update forecast_runs set digest = digest_of_3 where id = 2",
        "update forecast_runs set cutoff = '2001-01-06' where id = 2",
        "update forecast_runs set git_commit = 'another' where id = 2",
        "delete from forecast_runs where id = 2",
    ],
)
def test_a_header_that_was_changed_or_taken_away_breaks_the_chain(engine: Engine, change: str) -> None:
    for day, first in enumerate((100.0, 200.0, 300.0)):
        published(engine, first, MONDAY + timedelta(days=day))
    other = rows(engine, "forecast_runs")[2]["digest"]
    with writing(engine) as connection:
        connection.execute(text(change.replace("digest_of_3", f"'{other}'")))
    assert checked(engine).broken


def test_publications_from_before_the_chain_are_counted_and_not_called_broken(engine: Engine) -> None:
    assert publish(engine, publication(100.0), MONDAY)
    with writing(engine) as connection:
        connection.execute(text("update forecast_runs set chain = null"))
    published(engine, 200.0, TUESDAY)
    found = checked(engine)
    assert (found.publications, found.unchained, found.broken) == (2, 1, ())


@pytest.mark.parametrize("which", ["id = 2", "id > 0"])
def test_a_publication_whose_link_was_taken_away_is_none_from_before_the_chain(
    engine: Engine, which: str
) -> None:
    published(engine, 100.0, MONDAY, cutoff=FIRST)
    published(engine, 200.0, TUESDAY, cutoff=SECOND)
    with writing(engine) as connection:
        connection.execute(text("update forecasts set forecast = 1 where run = 2"))
        connection.execute(text(f"update forecast_runs set chain = null where {which}"))
    said = [sentence for sentence in checked(engine).broken if sentence.startswith("publication 2 ")]
    assert [sentence.split(": ")[1][:23] for sentence in said] == ["its link was taken away"]


def without_numbers(engine: Engine, number: int, removed_at: datetime | None) -> None:
    """Delete the numbers of a publication, as retention does if it says when."""
    with writing(engine) as connection:
        for table in (schema.forecasts, schema.level_forecasts):
            connection.execute(table.delete().where(table.c.run == number))
        runs = schema.forecast_runs
        connection.execute(runs.update().where(runs.c.id == number).values(numbers_removed_at=removed_at))


def test_numbers_that_retention_has_removed_are_counted(engine: Engine) -> None:
    published(engine, 100.0, MONDAY)
    published(engine, 200.0, TUESDAY)
    without_numbers(engine, 1, WEDNESDAY)
    found = checked(engine)
    assert (found.without_numbers, found.broken) == (1, ())


@pytest.mark.parametrize("number", [1, 2])
def test_numbers_that_are_gone_although_retention_has_not_removed_them_are_missed(
    engine: Engine, number: int
) -> None:
    published(engine, 100.0, MONDAY)
    published(engine, 200.0, TUESDAY)
    without_numbers(engine, number, None)
    (said,) = checked(engine).broken
    assert said.startswith(f"publication {number} of ")
    assert said.endswith("its numbers are gone, and 'retention' has not removed them")


def test_a_publication_without_numbers_does_not_serve(engine: Engine) -> None:
    published(engine, 100.0, MONDAY, cutoff=FIRST)
    published(engine, 200.0, TUESDAY, cutoff=SECOND)
    without_numbers(engine, 1, WEDNESDAY)
    assert take_back(engine, 2, THURSDAY) is None
    assert earlier(engine, SECOND) == []


def test_the_digest_depends_on_no_order_of_rows_or_types_of_labels() -> None:
    header = {"model_name": "m"}
    table = forecasts().assign(week=forecasts()["week"].dt.date).astype({"store": str, "department": str})
    shuffled = table.sample(frac=1, random_state=1)[list(reversed(table.columns))]
    assert digest_of(header, {}, {"forecasts": table}) == digest_of(header, {}, {"forecasts": shuffled})


def test_a_column_that_a_later_version_adds_leaves_the_digest_as_it_was() -> None:
    table = forecasts().assign(week=date(2017, 10, 7)).astype({"store": str, "department": str})
    without = table.drop(columns=list(QUANTILES))
    later = without.assign(**dict.fromkeys(QUANTILES))
    assert digest_of({}, {}, {"forecasts": without}) == digest_of({}, {}, {"forecasts": later})
    assert digest_of({}, {}, {"forecasts": without}) != digest_of({}, {}, {"forecasts": table})


def test_the_digest_is_the_same_for_ever() -> None:
    """So that a ledger of today can be proved with the libraries of tomorrow."""
    table = forecasts(series=2).assign(week=date(2017, 10, 7)).astype({"store": str, "department": str})
    found = digest_of({"model_name": "m"}, {"budget": 0.3}, {"forecasts": table})
    assert found == "ace8615b08f565829e5f0bc6d99830050ee1963536f8f37cd7d4309f530c9438"


# --- taking back -------------------------------------------------------------------------------------


def take_back(engine: Engine, number: int, at: datetime) -> Run | None:
    with writing(engine) as connection:
        return withdraw(connection, number, at, "ada", "wrong unit")


def test_after_a_withdrawal_the_publication_before_serves_and_the_past_stays(engine: Engine) -> None:
    published(engine, 100.0, MONDAY)
    published(engine, 200.0, TUESDAY)
    now_serves = take_back(engine, 2, WEDNESDAY)
    assert now_serves is not None
    assert now_serves.id == 1
    assert first_forecast(engine, serving(engine)) == 100.0
    assert first_forecast(engine, serving(engine, as_of=TUESDAY)) == 200.0, "what was served then"
    assert first_forecast(engine, serving(engine, as_of=WEDNESDAY)) == 100.0
    assert checked(engine).broken == ()
    with engine.connect() as connection:
        listed = publications(connection, "turnover", 9)
    assert [(row["id"], row["withdrawn"]) for row in listed] == [(2, "wrong unit"), (1, None)]


def test_a_withdrawal_can_be_undone(engine: Engine) -> None:
    published(engine, 100.0, MONDAY)
    published(engine, 200.0, TUESDAY)
    take_back(engine, 2, WEDNESDAY)
    with writing(engine) as connection:
        restored = restore(connection, 2, THURSDAY, "ada", "it was right")
    assert restored is not None
    assert (restored.id, first_forecast(engine, serving(engine))) == (2, 200.0)
    assert first_forecast(engine, serving(engine, as_of=WEDNESDAY)) == 100.0, "what was served then"


def test_the_only_publication_can_be_withdrawn_too(engine: Engine) -> None:
    published(engine, 100.0, MONDAY)
    assert take_back(engine, 1, TUESDAY) is None
    assert serving(engine) is None


def test_withdrawn_numbers_are_not_published_again(engine: Engine) -> None:
    published(engine, 100.0, MONDAY)
    published(engine, 200.0, TUESDAY)
    take_back(engine, 2, WEDNESDAY)
    before = everything(engine)
    with pytest.raises(InputError, match=r"numbers of publication 2, which was withdrawn \(wrong unit\)"):
        publish(engine, publication(200.0, code=CODE), THURSDAY)
    assert everything(engine) == before
    published(engine, 300.0, THURSDAY)
    assert first_forecast(engine, serving(engine)) == 300.0


def test_what_cannot_be_withdrawn_is_said(engine: Engine) -> None:
    published(engine, 100.0, MONDAY)
    with pytest.raises(InputError, match="there is no publication 7: sales-forecast ledger list shows all"):
        take_back(engine, 7, TUESDAY)


def test_a_withdrawal_that_was_interrupted_can_be_said_again(engine: Engine) -> None:
    published(engine, 100.0, MONDAY)
    published(engine, 200.0, TUESDAY)
    take_back(engine, 2, WEDNESDAY)
    before = everything(engine)
    serves = take_back(engine, 2, THURSDAY)
    assert serves is not None
    assert serves.id == 1
    assert everything(engine) == before


def test_a_publication_can_be_restored_twice(engine: Engine) -> None:
    """As its files may have to be brought back once more."""
    published(engine, 100.0, MONDAY)
    take_back(engine, 1, TUESDAY)
    for at in (WEDNESDAY, THURSDAY):
        with writing(engine) as connection:
            serves = restore(connection, 1, at, "ada", "it was right")
        assert serves is not None
    assert [row["restored_at"] for row in rows(engine, "withdrawals")] == [WEDNESDAY]


def test_why_nothing_serves_is_said(engine: Engine) -> None:
    def why(retailer: str | None = None) -> str:
        with engine.connect() as connection:
            return why_nothing_serves(connection, "turnover", retailer)

    assert why() == "there are no turnover forecasts yet; make some: kedro run"
    published(engine, 100.0, MONDAY)
    published(engine, 200.0, TUESDAY)
    for number in (1, 2):
        take_back(engine, number, WEDNESDAY)
    for retailer in (None, "default"):
        assert why(retailer).startswith("all 2 publication(s) of turnover are withdrawn: ")
        assert "sales-forecast ledger restore 2 --why" in why(retailer)
    assert why("harbour") == "nothing is published for retailer 'harbour'; there is: default"


def test_what_is_not_withdrawn_cannot_be_restored(engine: Engine) -> None:
    published(engine, 100.0, MONDAY)
    with writing(engine) as connection, pytest.raises(InputError, match="publication 1 is not withdrawn"):
        restore(connection, 1, TUESDAY, "ada", "why not")


# --- by the clock, and by what was known ---------------------------------------------------------------

FIRST, SECOND = date(2017, 9, 23), date(2017, 9, 30)


def test_publications_are_found_by_the_clock_and_by_the_last_week_that_was_known(engine: Engine) -> None:
    published(engine, 100.0, MONDAY, cutoff=FIRST)
    published(engine, 110.0, TUESDAY, cutoff=FIRST)
    published(engine, 200.0, WEDNESDAY, cutoff=SECOND)
    assert first_forecast(engine, serving(engine, cutoff=FIRST)) == 110.0
    assert first_forecast(engine, serving(engine, as_of=MONDAY, cutoff=FIRST)) == 100.0
    assert first_forecast(engine, serving(engine, cutoff=SECOND)) == 200.0
    assert serving(engine, cutoff=date(2017, 1, 7)) is None


def earlier(engine: Engine, cutoff: date, as_of: datetime | None = None) -> list[float]:
    with engine.connect() as connection:
        found = earlier_forecasts(connection, cutoff, "default", as_of)
    return list(found.loc[found["store"] == "1", "forecast"])


def test_earlier_forecasts_are_those_from_older_data_that_nobody_has_withdrawn(engine: Engine) -> None:
    published(engine, 100.0, MONDAY, cutoff=FIRST)
    published(engine, 110.0, TUESDAY, cutoff=FIRST)
    published(engine, 200.0, WEDNESDAY, cutoff=SECOND)
    third = SECOND + timedelta(weeks=1)
    assert earlier(engine, FIRST) == []
    assert earlier(engine, SECOND) == [110.0]
    assert earlier(engine, third) == [200.0]
    assert earlier(engine, third, as_of=WEDNESDAY) == [110.0]
    take_back(engine, 3, THURSDAY)
    assert earlier(engine, third) == [110.0]
    take_back(engine, 2, THURSDAY)
    assert earlier(engine, third) == [100.0]


def test_earlier_forecasts_have_weeks_as_tables_have_them(engine: Engine) -> None:
    published(engine, 100.0, MONDAY, cutoff=FIRST)
    with engine.connect() as connection:
        found = earlier_forecasts(connection, SECOND, "default")
        none = earlier_forecasts(connection, FIRST, "default")
    assert found["week"].dtype == "datetime64[ns]"
    assert set(found["week"]) == {pd.Timestamp("2017-10-07")}
    assert list(none.columns) == list(found.columns)
