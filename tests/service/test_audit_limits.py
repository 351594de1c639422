"""What is on record besides answers, and how much: refusals as counts, a quota for each key, sampled reads."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from sqlalchemy import Engine, select

from projects import REPOSITORY, Project
from sales_forecast.service.audit import AuditWriter
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.quota import AuditQuota
from sales_forecast.service.refusals import MOST_CALLERS, OTHERS, Counted, Refusals, refusal_records
from sales_forecast.service.settings import read_settings
from sales_forecast.storage.audit import AuditRecord
from sales_forecast.storage.audit_chain import AuditChain, Signer
from sales_forecast.storage.audit_settings import AuditSettings
from sales_forecast.storage.audit_verify import verify
from sales_forecast.storage.database import open_database, upgrade
from sales_forecast.storage.schema import audit_log
from services import Shop, new_key, opened, wait_until

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

ROUTE = type("Route", (), {"path": "/v1/turnover/forecasts"})()


def scope(address: str = "10.0.0.1", key_id: str | None = None, route: Any = ROUTE) -> dict[str, Any]:
    return {"state": {"key_id": key_id} if key_id else {}, "client": (address, 1), "route": route}


def told(counts: Counter[Counted]) -> list[tuple[str, str, int, str, int]]:
    """Key, address, status, route and count of each record."""
    return [
        (one.key_id, one.input["address"], one.input["status"], one.endpoint, one.output["count"])  # type: ignore[index]
        for one in refusal_records(counts)
    ]


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_refused_requests_are_counted_by_minute_caller_status_and_route(clock: Clock) -> None:
    refusals = Refusals(clock)
    for _ in range(1000):
        refusals.note(scope(), 401)
    refusals.note(scope(key_id="abc"), 403)
    refusals.note(scope(route=None), 404)
    for status in (200, 303, 400, 500, 503):
        refusals.note(scope(), status)
    assert not refusals.take(), "the minute is not over"
    clock.now += timedelta(minutes=1)
    refusals.note(scope(), 401)
    assert told(refusals.take()) == [
        ("", "10.0.0.1", 401, "/v1/turnover/forecasts", 1000),
        ("abc", "", 403, "/v1/turnover/forecasts", 1),
        ("", "10.0.0.1", 404, "none", 1),
    ]
    assert told(refusals.take(everything=True)) == [("", "10.0.0.1", 401, "/v1/turnover/forecasts", 1)]
    assert not refusals.take(everything=True)


def test_a_flood_from_many_addresses_makes_few_records(clock: Clock) -> None:
    refusals = Refusals(clock)
    for number in range(3 * MOST_CALLERS):
        refusals.note(scope(f"10.0.{number // 256}.{number % 256}"), 401)
    records = told(refusals.take(everything=True))
    assert len(records) == MOST_CALLERS + 1
    assert records[-1] == ("", OTHERS, 401, "/v1/turnover/forecasts", 2 * MOST_CALLERS)


# --- the writer ----------------------------------------------------------------------------------------


def answer(number: int, key_id: str = "k", at: datetime | None = None) -> AuditRecord:
    when, name = at or datetime.now(UTC), f"{key_id}{number}"
    return AuditRecord(name, "champion", when, key_id, "/", "m", "1", {}, {}, None, 1.0)


@pytest.fixture
def sqlite(tmp_path: Any) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path}/shop.db")
    upgrade(engine)
    yield engine
    engine.dispose()


def test_the_log_witnesses_the_newest_record_of_a_writer(
    sqlite: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    writer = AuditWriter(sqlite, AuditSettings(keep_days=1, key=SecretStr("ours")))
    asyncio.run(writer.record([answer(1), answer(2)]))
    writer.refusals.note(scope(), 429)
    writer.close()
    with sqlite.connect() as connection:
        rows = connection.execute(select(audit_log).order_by(audit_log.c.number)).mappings().all()
    assert [row["kind"] for row in rows] == ["answer", "answer", "refusal"]
    assert f"record 3 of writer {rows[2]['writer']} has the digest {rows[2]['digest']}" in caplog.text
    found = verify(sqlite, [Signer("ours")])
    assert (found.count, found.records, found.unsigned) == (0, 3, 0)


def test_counts_of_refusals_wait_for_a_database_that_fails(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sales_forecast.service.audit.IDLE_SECONDS", 0.01)
    write, tries = AuditChain.write, []

    def fail_first(chain: AuditChain, engine: Engine, records: Sequence[AuditRecord]) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no space left")
        write(chain, engine, records)

    monkeypatch.setattr(AuditChain, "write", fail_first)
    writer = AuditWriter(sqlite, AuditSettings(keep_days=1))
    clock = Clock()
    writer.refusals = Refusals(clock)
    writer.refusals.note(scope(), 429)
    clock.now += timedelta(minutes=1)
    wait_until(lambda: "refusal" in kinds(sqlite), 10)
    writer.close()
    assert kinds(sqlite) == ["refusal"]
    assert len(tries) == 2


def test_the_quota_counts_what_today_has_brought_before_the_start(sqlite: Engine, clock: Clock) -> None:
    yesterday = NOON - timedelta(days=1)
    before = [answer(1, at=NOON), answer(2, at=NOON), answer(3, at=yesterday), answer(4, "other", NOON)]
    AuditChain(Signer(), "x").write(sqlite, before)
    quota = AuditQuota(sqlite, AuditSettings(keep_days=1, rows_per_key_and_day=3), clock)
    quota.check("k")
    quota.count([answer(5)])
    with pytest.raises(ProblemError, match=r"3 records of this key from today, and may have 3 \(audit.rows"):
        quota.check("k")
    quota.check("other")
    clock.now += timedelta(hours=12)
    quota.check("k")


def test_the_quota_counts_the_bytes_of_large_records(sqlite: Engine, clock: Clock) -> None:
    large = replace(answer(1, at=NOON), output="x" * 600_000)
    settings = AuditSettings(keep_days=1, megabytes_per_key_and_day=1)
    quota = AuditQuota(sqlite, settings, clock)
    quota.count([large])
    quota.check("k")
    quota.count([replace(large, request_id="2")])
    quota.check("other")
    with pytest.raises(ProblemError, match=r"1\.2 MB of this key .* 1\.0 MB \(audit\.megabytes_per_key"):
        quota.check("k")
    AuditChain(Signer(), "x").write(sqlite, [large, replace(large, request_id="2")])
    with pytest.raises(ProblemError, match=r"1\.2 MB"):
        AuditQuota(sqlite, settings, clock).check("k")


def test_workers_share_the_quota_also_where_they_count_units_together() -> None:
    content = yaml.safe_load((REPOSITORY / "conf/base/service.yml").read_text())
    content |= {"retailer": None, "trusted_proxies": "", "rate_limit_storage": "redis://127.0.0.1:1"}
    content["audit"]["key"] = content["ab"]["salt"] = "ours"
    shared = read_settings(content).for_one_of(4)
    assert (shared.audit.processes, shared.units_per_minute) == (4, content["units_per_minute"])


def test_processes_share_the_quota(sqlite: Engine, clock: Clock) -> None:
    AuditChain(Signer(), "x").write(sqlite, [answer(number, at=NOON) for number in range(6)])
    settings = AuditSettings(keep_days=1, rows_per_key_and_day=10, processes=2)
    quota = AuditQuota(sqlite, settings, clock)
    quota.count([answer(7)])
    quota.check("k")
    quota.count([answer(8)])
    with pytest.raises(ProblemError, match="5 records of this key from today, and may have 5"):
        quota.check("k")


# --- the service ---------------------------------------------------------------------------------------


def kinds(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(audit_log.c.kind).order_by(audit_log.c.at)).scalars())


def settings(**changes: Any) -> dict[str, Any]:
    return {"audit": {"keep_days": 730} | changes}


@pytest.fixture
def limited(shop_project: Project, new_database: Callable[[str], str]) -> Callable[..., Any]:
    """Opens the service with other settings of the audit log."""
    return lambda **changes: opened(shop_project, new_database("sqlite"), **settings(**changes))


def test_a_key_beyond_its_quota_is_refused_until_midnight_and_others_are_not(
    limited: Callable[..., Any],
) -> None:
    shop: Shop
    with limited(rows_per_key_and_day=2) as shop:
        answers = [shop.get("/v1/turnover/forecasts", limit=1) for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
        assert "audit.rows_per_key_and_day in service.yml" in answers[2].json()["detail"]
        assert 0 < int(answers[2].headers["Retry-After"]) <= 86_400
        other = {"Authorization": f"Bearer {new_key(shop.engine)}"}
        assert shop.client.get("/v1/turnover/forecasts", headers=other).status_code == 200
    assert kinds(shop.engine).count("answer") == 3
    assert "refusal" in kinds(shop.engine)


def test_the_id_of_a_read_that_is_not_on_record_says_so_and_predictions_always_are(
    limited: Callable[..., Any],
) -> None:
    shop: Shop
    with limited(share_of_stored_reads=0.0) as shop:
        stored = shop.get("/v1/turnover/forecasts", limit=1)
        accuracy = shop.get("/v1/turnover/accuracy")
        for one in (stored, accuracy):
            assert one.status_code == 200
            assert one.headers["X-Request-ID"].endswith("-unrecorded")
        looked_up = shop.get(f"/v1/audit/{stored.headers['X-Request-ID']}")
        assert looked_up.status_code == 404
        assert "audit.share_of_stored_reads" in looked_up.json()["detail"]
        live = shop.post("/v1/marketing/predict", {"budgets": [10]})
        assert len(live.headers["X-Request-ID"]) == 36
        assert len(shop.audited(live.headers["X-Request-ID"])) == 1
        read = shop.get(f"/v1/audit/{live.headers['X-Request-ID']}")
        (record,) = shop.audited(read.headers["X-Request-ID"])
        assert (record["kind"], record["output"]) == ("record_read", {"records": 1})
    assert sorted(set(kinds(shop.engine))) == ["answer", "record_read", "refusal"]
    assert verify(shop.engine, [Signer()]).count == 0
