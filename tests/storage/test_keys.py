"""Keys: whose plan their owners may change, and how a proxy announces them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from sales_forecast.errors import InputError
from sales_forecast.storage.audit_chain import AuditChain, Signer
from sales_forecast.storage.database import configuration, upgrade, writing
from sales_forecast.storage.key_changes import create_on_record
from sales_forecast.storage.keys import Territory, create_key, find_key, find_login, list_keys, revoke_key
from sales_forecast.storage.schema import api_keys, audit_log

pytestmark = pytest.mark.xdist_group("database")

NOW = datetime(2017, 10, 2, 6, tzinfo=UTC)
SOUTH = Territory(frozenset({"112"}), frozenset({"11"}))


def test_a_planner_may_change_the_stores_and_regions_named_and_no_others() -> None:
    assert SOUTH.has("112", "93")
    assert SOUTH.has("7", "11")
    assert not SOUTH.has("7", "93")
    assert not SOUTH.has("7", None)
    assert not Territory(stores=frozenset({"112"})).has("7", "11")
    assert not Territory(regions=frozenset({"11"})).has("112", None)
    assert Territory().has("7", None)


def test_a_key_comes_back_with_its_owner_and_territory(engine: Engine) -> None:
    with writing(engine) as connection:
        key = create_key(connection, "Ann", ["read", "plan"], NOW, None, SOUTH, "ann@shop")
        found = find_key(connection, key, NOW)
        assert found is not None
        assert (found.name, found.territory) == ("Ann", SOUTH)
        assert find_login(connection, "ann@shop", NOW) == found
        (listed,) = list_keys(connection)
        assert (listed.stores, listed.regions, listed.login) == (["112"], ["11"], "ann@shop")
        plain = find_key(connection, create_key(connection, "Bo", ["read"], NOW, None), NOW)
        assert plain is not None
        assert plain.territory == Territory()


def test_a_login_is_that_of_one_valid_key(engine: Engine) -> None:
    with writing(engine) as connection:
        assert find_login(connection, "ann@shop", NOW) is None
        create_key(connection, "Ann", ["read"], NOW, NOW + timedelta(days=1), login="ann@shop")
        taken = (
            r"'ann@shop' is the login of key [0-9a-f]{12}, 'Ann', .* sales-forecast keys revoke [0-9a-f]{12}"
        )
        with pytest.raises(InputError, match=taken):
            create_key(connection, "Eve", ["admin"], NOW, None, login="ann@shop")
        assert find_login(connection, "ann@shop", NOW + timedelta(days=2)) is None
        second = create_key(connection, "Ann", ["plan"], NOW + timedelta(days=2), None, login="ann@shop")
        found = find_login(connection, "ann@shop", NOW + timedelta(days=2))
        assert found is not None
        assert found.key_id in second
        revoke_key(connection, found.key_id, NOW + timedelta(days=3))
        assert find_login(connection, "ann@shop", NOW + timedelta(days=3)) is None


def test_of_two_keys_that_are_made_with_one_login_at_the_same_time_one_is_refused(engine: Engine) -> None:
    """The first one is not committed yet when the second one looks whether the login is free."""
    with ThreadPoolExecutor(1) as pool:
        with writing(engine) as connection:
            create_key(connection, "Ann", ["read"], NOW, None, login="ann@shop")
            second = pool.submit(_create, engine)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.5)
        with pytest.raises(InputError, match="ann@shop"):
            second.result(timeout=60)
    with engine.connect() as connection:
        assert [key.name for key in list_keys(connection)] == ["Ann"]


def _create(engine: Engine) -> str:
    with writing(engine) as connection:
        return create_key(connection, "Eve", ["admin"], NOW, None, login="ann@shop")


def test_the_database_keeps_a_login_for_one_key_that_is_not_revoked(engine: Engine) -> None:
    entry = {"name": "x", "digest": "0" * 64, "scopes": ["read"], "login": "ann@shop", "created_at": NOW}
    with writing(engine) as connection:
        connection.execute(
            insert(api_keys),
            [entry | {"id": "1", "revoked_at": NOW}, entry | {"id": "2", "revoked_at": None}],
        )
        connection.execute(insert(api_keys), [entry | {"id": name, "login": None} for name in "34"])
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(insert(api_keys), entry | {"id": "5"})


def test_a_login_of_several_keys_is_left_to_the_newest_by_the_migration(
    empty: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    moments = {
        "old": (NOW, None, None),
        "new": (NOW + timedelta(days=1), None, None),
        "expired": (NOW + timedelta(days=2), NOW + timedelta(days=3), None),
        "revoked": (NOW + timedelta(days=2), None, NOW + timedelta(days=3)),
    }
    with writing(empty) as connection:
        command.upgrade(configuration(connection), "0016")
        for name, (created, expires, revoked) in moments.items():
            entry = {"id": name, "name": name, "digest": "0" * 64, "scopes": ["read"], "login": "ann@shop"}
            times = {"created_at": created, "expires_at": expires, "revoked_at": revoked}
            connection.execute(insert(api_keys), {**entry, **times})
    upgrade(empty)
    with empty.connect() as connection:
        found = {key.id: (key.login, key.revoked_at) for key in list_keys(connection)}
        valid = find_login(connection, "ann@shop", datetime.now(UTC))
    over = NOW + timedelta(days=3)
    assert found == {
        "old": (None, None),
        "new": ("ann@shop", None),
        "expired": ("ann@shop", over),
        "revoked": ("ann@shop", over),
    }
    assert valid is not None
    assert valid.key_id == "new"
    assert "The login 'ann@shop' is no longer that of key old, but of new" in caplog.text


def test_a_new_key_is_on_record_with_what_it_may_be_used_for(engine: Engine) -> None:
    chain, plans = AuditChain(Signer(), "serve"), Territory(regions=frozenset({"10"}))
    later = NOW + timedelta(days=1)
    with writing(engine) as connection:
        key = create_on_record(
            connection, chain, "serve", "Lille", ["read", "plan"], NOW, later, plans, "ada"
        )
        record = connection.execute(select(audit_log)).mappings().one()
    account = record["input"].pop("account")
    assert account
    assert (record["kind"], record["endpoint"]) == ("key_change", "serve")
    assert record["input"] == {
        "action": "create",
        "key_id": key.split("_")[1],
        "name": "Lille",
        "scopes": ["plan", "read"],
        "stores": None,
        "regions": ["10"],
        "login": "ada",
        "expires_at": later.isoformat(),
    }
