"""API keys, the audit log and the start of the service, by the command line."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pandas as pd
import pytest
from sqlalchemy import Engine, select, update
from typer.testing import CliRunner, Result

from projects import Project
from sales_forecast.__main__ import app
from sales_forecast.errors import InputError
from sales_forecast.service.settings import read_budget_interval
from sales_forecast.storage import audit
from sales_forecast.storage.audit_chain import AuditChain, Signer
from sales_forecast.storage.database import open_database, writing
from sales_forecast.storage.keys import find_key, list_keys
from sales_forecast.storage.schema import audit_log
from services import new_key

pytestmark = pytest.mark.xdist_group("service alone")

NOW = datetime.now(UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def record(
    request: pytest.FixtureRequest,
    shop_project: Project,
    new_database: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Engine:
    """A database that the commands use, with a record of three years ago and one of just now."""
    monkeypatch.chdir(shop_project.folder)
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", url := new_database(request.param))
    monkeypatch.setenv("COLUMNS", "200")
    young = audit.AuditRecord(
        request_id="young",
        arm="champion",
        at=NOW,
        key_id="k",
        endpoint="/v1/turnover/predict",
        model_name="sales_forecast.turnover",
        model_version="1",
        input={"series": [{"store": "105", "department": "117"}]},
        output=[[{"forecast": 0.1 + 0.2}]],
        other_output=None,
        latency_ms=1.5,
    )
    engine = open_database(url)
    with writing(engine) as connection:
        AuditChain(Signer(), "test").append(
            connection, [replace(young, request_id="old", at=NOW - timedelta(days=1000)), young]
        )
    return engine


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def refused(*arguments: str) -> str:
    """One message."""
    done = invoke(*arguments)
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit)
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(
    record: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = invoke("keys", "create", "Lille office", "--scopes", "read, admin", "--days", "30")
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    with record.connect() as connection:
        found = find_key(connection, key, NOW)
        assert found is not None
        assert found.scopes == {"read", "admin"}
        assert find_key(connection, key, NOW + timedelta(days=31)) is None
    listed = invoke("keys", "list").stdout
    assert all(words in listed for words in ("Lille office", found.key_id, "admin, read"))
    assert key.split("_", 2)[2][:10] not in listed
    monkeypatch.setenv("COLUMNS", "60")
    assert found.key_id in invoke("keys", "list").stdout
    assert "is refused from now on" in invoke("keys", "revoke", found.key_id).stdout
    with record.connect() as connection:
        assert find_key(connection, key, NOW) is None
    assert f"no valid key with the id '{found.key_id}'" in refused("keys", "revoke", found.key_id)
    assert "'write' is none of read, predict, plan, admin" in refused(
        "keys", "create", "x", "--scopes", "write"
    )
    assert "there is no environment conf/nowhere" in refused("keys", "list", "--env", "nowhere")


def test_the_audit_log_is_exported_to_the_last_digit(record: Engine, tmp_path: Path) -> None:
    done = invoke("audit", "export", str(tmp_path / "all.parquet"))
    assert f"2 records are in {tmp_path}/all.parquet" in done.stdout.replace("\n", "")
    old, young = pd.read_parquet(tmp_path / "all.parquet").to_dict("records")
    assert (old["request_id"], young["request_id"]) == ("old", "young")
    assert young["at"] == pd.Timestamp(NOW)
    assert orjson.loads(young["output"]) == [[{"forecast": 0.1 + 0.2}]]
    assert orjson.loads(young["input"])["series"] == [{"store": "105", "department": "117"}]
    assert young["other_output"] is None
    invoke(
        "audit", "export", str(tmp_path / "some.parquet"), "--since", f"{NOW - timedelta(days=1):%Y-%m-%d}"
    )
    some = pd.read_parquet(tmp_path / "some.parquet")
    assert some["request_id"].tolist()[:1] == ["young"]
    assert some["kind"].tolist() == ["answer", "record_read"], "who has read the record is on it, too"
    invoke("audit", "export", str(tmp_path / "none.parquet"), "--until", "2001-01-01")
    assert pd.read_parquet(tmp_path / "none.parquet").empty
    assert sorted(os.listdir(tmp_path)) == ["all.parquet", "none.parquet", "some.parquet"]  # noqa: PTH208
    assert invoke("audit", "export", str(tmp_path / "no" / "x.parquet")).exit_code == 2
    assert invoke("audit", "export", str(tmp_path)).exit_code == 2
    (tmp_path / f".all.parquet.{os.getpid()}.part").mkdir()
    assert "all.parquet cannot be written" in refused("audit", "export", str(tmp_path / "all.parquet"))


def test_a_purge_deletes_old_records_and_keeps_new_ones(record: Engine) -> None:
    assert CliRunner().invoke(app, ["audit", "purge"], input="n\n").exit_code == 1
    assert requests(record) == ["old", "young"]
    assert "1 records from before" in invoke("audit", "purge", "--yes").stdout
    assert requests(record) == ["young"]
    proof = invoke("audit", "verify")
    assert (proof.exit_code, proof.stdout.split(";")[0]) == (
        0,
        "3 of 3 record(s) of 2 writer(s) are as they were written",
    )
    assert "No record is older than 730 days" in invoke("audit", "purge", "--yes").stdout
    assert "there is no environment conf/nowhere" in refused("audit", "purge", "--env", "nowhere")


def test_keys_and_reads_are_on_record_and_a_change_of_it_is_named(record: Engine, tmp_path: Path) -> None:
    key = invoke("keys", "create", "Lille office").stdout.strip().split("_")[1]
    assert invoke("keys", "revoke", key).exit_code == 0
    invoke("audit", "export", str(tmp_path / "all.parquet"))
    with record.connect() as connection:
        rows = connection.execute(select(audit_log).where(audit_log.c.kind != "answer")).mappings().all()
    assert sorted((row["kind"], row["input"].get("action")) for row in rows) == [
        ("key_change", "create"),
        ("key_change", "revoke"),
        ("record_read", None),
    ]
    assert {row["input"]["key_id"] for row in rows if row["kind"] == "key_change"} == {key}
    assert invoke("audit", "verify").exit_code == 0
    with writing(record) as connection:
        connection.execute(update(audit_log).where(audit_log.c.request_id == "young").values(key_id="x"))
    done = invoke("audit", "verify")
    assert done.exit_code == 1
    assert done.stderr.startswith("Broken: the record of request young (champion, ")
    assert done.stderr.count("\n") == 1


def requests(engine: Engine) -> list[str]:
    answers = select(audit_log.c.request_id).where(audit_log.c.kind == "answer")
    with engine.connect() as connection:
        return list(connection.execute(answers.order_by(audit_log.c.at)).scalars())


def test_production_refuses_the_default_salt(record: Engine) -> None:
    message = refused("serve", "--production")
    assert "service.yml: ab.salt: choose one of your own in production; the default is public" in message


def test_production_creates_no_key_and_does_not_start_with_an_expired_one(
    record: Engine, shop_project: Project
) -> None:
    settings = (shop_project.folder / "conf/base/service.yml").read_text()
    own = shop_project.folder / "conf/local/service.yml"
    own.write_text(settings.replace("change-me", "of our own"))
    try:
        new_key(record, expires_at=NOW - timedelta(seconds=1))
        assert "no valid API key; make one: sales-forecast keys create NAME" in refused(
            "serve", "--production"
        )
        own.write_text(settings.replace("max_seconds: 30", "max_second: 30"))
        assert "service.yml: " in (message := refused("serve"))
        assert "max_second: Extra inputs are not permitted" in message
    finally:
        own.unlink()


def test_parameters_of_the_budget_interval_that_are_wrong_are_named() -> None:
    with pytest.raises(
        InputError, match=r"^marketing\.curve in the parameters: interval_share: .* less than 1"
    ):
        read_budget_interval({"points": 61, "interval_share": 80, "folds": 5})
    with pytest.raises(InputError, match="folds: Field required"):
        read_budget_interval({"interval_share": 0.8})


def test_a_port_that_is_taken_stops_the_start_before_a_key_is_made(record: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = refused("serve", "--port", str(port))
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in message
    with record.connect() as connection:
        assert list_keys(connection) == []


def test_a_database_that_does_not_answer_stops_the_start(
    shop_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop_project.folder)
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", "postgresql://planner:secret@127.0.0.1:1/sales")
    message = refused("serve")
    assert "does not answer" in message
    assert "secret" not in message
