"""Jobs predict many series: each result is that of a live prediction, and no job is lost or runs twice."""

import asyncio
import contextlib
import dataclasses
import gzip
import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from limits import RateLimitItemPerDay
from sqlalchemy import Connection, Engine, insert, select, update

from sales_forecast.service import jobs as running
from sales_forecast.service.computations import Computations
from sales_forecast.service.negotiation import Format
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.rate_limit import IN_THIS_PROCESS, RateLimiter
from sales_forecast.service.results import write_result
from sales_forecast.service.settings import JobSettings
from sales_forecast.storage import job_queue, jobs, schema
from sales_forecast.storage.audit import AuditRecord
from sales_forecast.storage.audit_settings import AuditSettings
from sales_forecast.storage.database import writing
from services import Shop, new_key, wait_until

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

JOBS = "/v1/turnover/predictions"
KEY_ID = "0123456789ab"
ONE = {"store": "1", "department": "88"}
NOW = datetime(2017, 10, 2, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small parts."""
    monkeypatch.setattr(running, "SERIES_AT_A_TIME", 50)


@pytest.fixture(scope="module")
def series(shop: Shop) -> list[dict[str, Any]]:
    """Every series that the model knows, and two new stores."""
    known = shop.output("turnover/forecasts")[["store", "department"]].drop_duplicates().astype(str)
    new = [{"store": str(900_000 + number), "department": "117", "place": {}} for number in range(2)]
    return [*known.to_dict("records"), *new]


def submit(shop: Shop, series: list[dict[str, Any]], **headers: str) -> httpx.Response:
    return shop.client.post(JOBS, json={"series": series}, headers=shop.bearer | headers)


def state(shop: Shop, path: str) -> dict[str, Any]:
    return dict(shop.get(path).json())


def finished(shop: Shop, path: str) -> dict[str, Any]:
    wait_until(lambda: state(shop, path)["state"] not in jobs.UNFINISHED)
    return state(shop, path)


def test_a_job_predicts_what_a_live_request_does(shop: Shop, series: list[dict[str, Any]]) -> None:
    answer = submit(shop, series)
    assert answer.status_code == 202, answer.text
    path, job = answer.headers["Location"], answer.json()
    assert (path, job["state"], job["result"]) == (f"{JOBS}/{job['id']}", "waiting", None)
    done = finished(shop, path)
    assert (done["state"], done["predicted"], done["reason"]) == ("done", len(series), None)
    assert done["created_at"] <= done["started_at"] <= done["finished_at"] < done["expires_at"]
    result = shop.get(done["result"]).json()
    wanted = shop.predict(*series)
    assert result["job"] == job["id"]
    pd.testing.assert_frame_equal(pd.DataFrame(result["predictions"]), wanted, check_exact=True)
    for accept, read in (
        ("text/csv", lambda body: pd.read_csv(io.BytesIO(body), float_precision="round_trip")),
        ("application/vnd.apache.parquet", lambda body: pq.read_table(io.BytesIO(body)).to_pandas()),
        ("application/vnd.apache.arrow.stream", lambda body: pa.ipc.open_stream(body).read_pandas()),
    ):
        content = shop.client.get(done["result"], headers=shop.bearer | {"Accept": accept}).content
        found = read(content)
        assert found["forecast"].tolist() == wanted["forecast"].tolist()
        assert found["week"].astype(str).tolist() == wanted["week"].tolist()


def test_every_prediction_of_a_job_is_in_the_audit_log(shop: Shop, series: list[dict[str, Any]]) -> None:
    done = finished(shop, submit(shop, series).headers["Location"])
    result = shop.get(done["result"]).json()["predictions"]
    assert len(done["request_ids"]) == -(-len(series) // 50) > 2
    records = [record for request_id in done["request_ids"] for record in shop.audited(request_id)]
    assert [one for record in records for one in record["input"]["series"]] == series
    assert [row for record in records for rows in record["output"] for row in rows] == result
    assert {record["endpoint"] for record in records} == {JOBS}
    assert {record["key_id"] for record in records} == {shop.key.split("_")[1]}
    (found,) = shop.get(f"/v1/audit/{done['request_ids'][0]}").json()["answers"]
    assert found["arm"] == "champion"


def test_who_has_submitted_read_or_deleted_a_job_is_on_record(
    shop: Shop, series: list[dict[str, Any]]
) -> None:
    submitted = submit(shop, series[:2])
    done = finished(shop, submitted.headers["Location"])
    read = shop.get(done["result"])
    deleted = shop.client.delete(submitted.headers["Location"], headers=shop.bearer)
    job = done["id"]
    for answer, content, output in (
        (submitted, {"action": "submit", "series": 2}, {"job": job}),
        (read, {"action": "download", "job": job}, {"series": 2}),
        (deleted, {"action": "delete", "job": job}, {"state": "done"}),
    ):
        (record,) = shop.audited(answer.headers["X-Request-ID"])
        assert (record["kind"], record["input"], record["output"]) == ("job", content, output)
        assert record["key_id"] == shop.key.split("_")[1]


def test_a_job_that_cannot_be_predicted_fails_with_the_place_of_the_error(
    shop: Shop, series: list[dict[str, Any]]
) -> None:
    wrong = [*series[:60], {"store": "nowhere\x00", "department": "117"}]
    done = finished(shop, submit(shop, wrong).headers["Location"])
    assert (done["state"], done["predicted"], done["result"]) == ("failed", 50, None)
    assert done["reason"].startswith("body.series.60.store: the model does not know store 'nowhere\ufffd'")
    answer = shop.get(f"{JOBS}/{done['id']}/result")
    assert answer.status_code == 409
    assert "the job is failed: body.series.60.store" in answer.json()["detail"]


def test_a_series_that_is_named_twice_is_refused_at_once(shop: Shop, series: list[dict[str, Any]]) -> None:
    answer = submit(shop, series[:1] * 2)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "body.series.1")


# --- waiting, cancelling, repeating -----------------------------------------------------------------


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Parts are computed once it is open."""
    opened, predict = threading.Event(), running.predict_by_arm

    def wait(*args: Any, **options: Any) -> Any:
        assert opened.wait(60)
        return predict(*args, **options)

    monkeypatch.setattr(running, "predict_by_arm", wait)
    yield opened
    opened.set()


def test_a_running_job_is_cancelled_and_a_finished_one_deleted(
    shop: Shop, series: list[dict[str, Any]], gate: threading.Event
) -> None:
    path = submit(shop, series).headers["Location"]
    wait_until(lambda: state(shop, path)["state"] == "running")
    early = shop.get(f"{path}/result")
    assert (early.status_code, early.headers["Retry-After"]) == (409, "2")
    assert shop.client.delete(path, headers=shop.bearer).status_code == 204
    assert shop.get(path).status_code == 404
    other = submit(shop, series[:1]).headers["Location"]
    gate.set()
    assert finished(shop, other)["state"] == "done"
    assert shop.get(path).status_code == 404
    assert shop.client.delete(other, headers=shop.bearer).status_code == 204
    assert shop.get(other).status_code == shop.get(f"{other}/result").status_code == 404


def test_a_key_may_have_some_unfinished_jobs_only(
    shop: Shop, series: list[dict[str, Any]], gate: threading.Event
) -> None:
    paths = [submit(shop, series[:1]).headers["Location"] for _ in range(5)]
    answer = submit(shop, series[:1])
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
    assert "5 jobs of this key are not finished" in answer.json()["detail"]
    other = {"Authorization": f"Bearer {new_key(shop.engine)}"}
    assert shop.client.post(JOBS, json={"series": series[:1]}, headers=other).status_code == 202
    assert shop.client.get(paths[0], headers=other).status_code == 404
    assert shop.client.delete(paths[0], headers=other).status_code == 404
    gate.set()
    assert [finished(shop, path)["state"] for path in paths] == ["done"] * 5


def test_a_request_that_is_sent_again_is_the_same_job(shop: Shop, series: list[dict[str, Any]]) -> None:
    name = {"Idempotency-Key": f"order of {shop.key[:12]}"}
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: submit(shop, series[:2], **name), range(4)))
    assert [answer.status_code for answer in answers] == [202] * 4
    (location,) = {answer.headers["Location"] for answer in answers}
    finished(shop, location)
    again = submit(shop, series[:2], **name)
    assert (again.json()["id"], again.json()["state"]) == (answers[0].json()["id"], "done")
    other = submit(shop, series[:3], **name)
    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "header.idempotency-key"
    key = {"Authorization": f"Bearer {new_key(shop.engine)}"}
    assert submit(shop, series[:3], **name, **key).status_code == 202


def test_what_is_not_needed_any_more_is_not_kept(engine: Engine) -> None:
    wanted = [ONE | {"department": str(number)} for number in range(10_000)]
    table = schema.prediction_jobs
    with writing(engine) as connection:
        for _ in range(60):
            jobs.delete_job(connection, enter(connection, wanted).id)
        assert connection.execute(select(table.c.id)).all() == []
        job = enter(connection, wanted)
        assert job_queue.claim(connection, "default", "worker", NOW, NOW) is not None
        job_queue.finish(connection, job.id, "worker", NOW, NOW, None)
        assert jobs.request_of(connection, job.id) == {}


def test_a_key_may_keep_some_jobs_only(engine: Engine) -> None:
    limits = jobs.JobLimits(unfinished=2, stored=3)

    def submit_one(key_id: str = KEY_ID) -> jobs.Job:
        with writing(engine) as connection:
            return jobs.submit(connection, jobs.Submission({}, "", 1, key_id, "default", None), limits, NOW)

    for _ in range(3):
        done = submit_one()
        with writing(engine) as connection:
            assert job_queue.claim(connection, "default", "worker", NOW, NOW) is not None
            job_queue.finish(connection, done.id, "worker", NOW, NOW, None)
    with pytest.raises(jobs.TooManyJobsError, match="3 jobs of this key are kept; delete those"):
        submit_one()
    submit_one("another key")
    with writing(engine) as connection:
        jobs.delete_job(connection, done.id)
    submit_one()


def test_jobs_have_units_of_their_own_for_a_day(
    shop: Shop, series: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.app is not None
    limiter = RateLimiter(13, IN_THIS_PROCESS, "jobs", RateLimitItemPerDay)
    monkeypatch.setattr(shop.app.state.service, "job_limiter", limiter)
    name = {"Idempotency-Key": f"paid once by {shop.key[:12]}"}
    answers = [submit(shop, series[:2], **name) for _ in range(3)]  # 2 units
    assert {answer.status_code for answer in answers} == {202}
    new = {"store": "900001", "department": "117", "place": {}}
    answer = submit(shop, [new, new | {"store": "900002"}])
    assert answer.status_code == 413
    assert "costs 20 units, and a day has 13" in answer.json()["detail"]
    assert submit(shop, [new, series[0]]).status_code == 202  # 10 + 1 units
    answer = submit(shop, series[:1])
    assert answer.status_code == 429
    assert 60 < int(answer.headers["Retry-After"]) <= 24 * 3600


def test_the_records_of_a_job_count_in_the_quota_of_its_key(
    shop: Shop, series: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.app is not None
    counted: list[AuditRecord] = []
    quota = shop.app.state.service.audit_writer.quota
    monkeypatch.setattr(quota, "count", counted.extend)
    key = new_key(shop.engine)
    path = submit(shop, series[:60], Authorization=f"Bearer {key}").headers["Location"]
    of_job = (key.split("_")[1], JOBS, "answer")  # one record for each part
    wait_until(lambda: [(one.key_id, one.endpoint, one.kind) for one in counted].count(of_job) == 2, 20)
    assert shop.client.get(path, headers={"Authorization": f"Bearer {key}"}).json()["predicted"] == 60


def test_slow_readers_of_results_hold_no_connection_to_the_database(engine: Engine) -> None:
    with writing(engine) as connection:
        job = enter(connection, [ONE])
        content = gzip.compress(b"[{}]")
        connection.execute(insert(schema.prediction_job_parts).values(job=job.id, part=0, content=content))
    done = dataclasses.replace(job, parts=1)
    readers = [write_result(engine, done, Format.JSON) for _ in range(30)]
    for reader in readers:
        next(reader)
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert b"".join(readers[0]) == b"{}]}"


# --- restarts ---------------------------------------------------------------------------------------


def enter(
    connection: Connection, series: list[dict[str, Any]], retailer: str = "default", key_id: str = KEY_ID
) -> jobs.Job:
    """A job as a request enters it."""
    submission = jobs.Submission({"series": series}, "digest", len(series), key_id, retailer, None)
    return jobs.submit(connection, submission, jobs.JobLimits(unfinished=100, stored=100), NOW)


def test_a_job_whose_worker_died_goes_on_after_its_last_part(
    shop: Shop, series: list[dict[str, Any]]
) -> None:
    assert shop.app is not None
    retailer, key_id = shop.app.state.service.retailer, shop.key.split("_")[1]
    live = shop.predict(*series)
    first = [{**row, "method": "of the dead worker"} for row in live[:400].to_dict("records")]
    content = gzip.compress(json.dumps(first).encode())
    with writing(shop.engine) as connection:
        # a claim in the same transaction, so that the runner of the shop cannot be faster
        job = enter(connection, series, retailer, key_id)
        assert job_queue.claim(connection, retailer, "dead", NOW, NOW) is not None
        assert job_queue.add_part(connection, job.id, "dead", 0, content, 50, NOW)
    done = finished(shop, f"{JOBS}/{job.id}")
    assert (done["state"], done["predicted"], done["reason"]) == ("done", len(series), None)
    found = pd.DataFrame(shop.get(done["result"]).json()["predictions"])
    assert found["forecast"].tolist() == live["forecast"].tolist()
    assert found["method"].notna().sum() == 400


def test_a_job_that_ends_its_process_each_time_fails(shop: Shop, series: list[dict[str, Any]]) -> None:
    assert shop.app is not None
    retailer, key_id = shop.app.state.service.retailer, shop.key.split("_")[1]
    with writing(shop.engine) as connection:
        jobs_table = schema.prediction_jobs
        job = enter(connection, series[:1], retailer, key_id)
        connection.execute(update(jobs_table).where(jobs_table.c.id == job.id).values(attempts=3))
    done = finished(shop, f"{JOBS}/{job.id}")
    assert done["state"] == "failed"
    assert "ended 3 times" in done["reason"]


def test_a_job_belongs_to_one_worker_until_that_one_dies(engine: Engine) -> None:
    with writing(engine) as connection:
        job = enter(connection, [ONE])
    later, long_ago = NOW + timedelta(seconds=1), NOW - timedelta(minutes=2)
    with writing(engine) as connection:
        taken = job_queue.claim(connection, "default", "first", later, long_ago)
    assert taken is not None
    assert taken[1] == {"series": [ONE]}
    with writing(engine) as connection:
        assert job_queue.claim(connection, "default", "second", later, long_ago) is None
        assert job_queue.claim(connection, "another retailer", "second", later, later) is None
        assert not job_queue.is_anything_to_do(connection, "default", later, long_ago)
        again = job_queue.claim(connection, "default", "second", later, later + timedelta(seconds=1))
    assert again is not None
    assert again[0].attempts == 2
    with writing(engine) as connection:
        assert not job_queue.add_part(connection, job.id, "first", 0, b"", 1, later)
        assert job_queue.add_part(connection, job.id, "second", 0, b"x", 1, later)
        job_queue.finish(connection, job.id, "first", later, later, "it died")
        found = jobs.find(connection, job.id, KEY_ID)
    assert found is not None
    assert (found.state, found.predicted, found.reason) == ("running", 1, None)


@contextlib.contextmanager
def taking_jobs(engine: Engine) -> Iterator[running.JobRunner]:
    """Takes up jobs without the models of a service, beside the event loop of its requests."""
    settings = SimpleNamespace(audit=AuditSettings(keep_days=1), jobs=JobSettings())
    loop, computations = asyncio.new_event_loop(), Computations(1, 0)
    service: Any = SimpleNamespace(
        engine=engine, retailer="default", settings=settings, computations=computations
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = running.JobRunner(service)
    runner.start(loop)
    try:
        yield runner
    finally:
        runner.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        computations.close()
        loop.close()


def found_job(engine: Engine, job: jobs.Job) -> jobs.Job:
    with engine.connect() as connection:
        found = jobs.find(connection, job.id, KEY_ID)
    assert found is not None
    return found


def test_a_job_of_another_version_fails_and_the_next_one_is_taken_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "POLL_SECONDS", 0.01)
    with writing(engine) as connection:
        other, next_one = enter(connection, [{"shop": 1}]), enter(connection, [{"shop": 2}])
    with taking_jobs(engine):  # they are of one moment, so that either may be the first
        wait_until(lambda: {found_job(engine, one).state for one in (other, next_one)} == {"failed"}, 10)
    reasons = {found_job(engine, one).reason for one in (other, next_one)}
    assert reasons == {"it was submitted to another version of the service; submit it again"}


def test_an_error_that_nobody_expects_does_not_end_the_thread(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(running, "POLL_SECONDS", 0.01)
    claim, tries = job_queue.claim, []

    def fail_first(*args: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise ArithmeticError
        return claim(*args)

    monkeypatch.setattr(job_queue, "claim", fail_first)
    with writing(engine) as connection:
        job = enter(connection, [{"shop": 1}])
    with taking_jobs(engine):
        wait_until(lambda: found_job(engine, job).state == "failed", 10)
    assert "A job cannot be taken up" in caplog.text


def test_a_job_is_not_taken_over_while_a_long_part_is_computed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sales_forecast.service.heartbeat.HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr(running, "POLL_SECONDS", 0.01)
    with writing(engine) as connection:
        job = enter(connection, [ONE])

    def seen_lately() -> bool:
        with engine.connect() as connection:
            last = connection.execute(select(schema.prediction_jobs.c.seen_at)).scalar_one()
        return bool(last > datetime.now(UTC) - timedelta(seconds=60))

    def compute(*_: Any, **__: Any) -> Any:
        with writing(engine) as connection:
            connection.execute(update(schema.prediction_jobs).values(seen_at=NOW))
        wait_until(seen_lately, 10)
        raise ProblemError(409, "that is enough")

    monkeypatch.setattr(running, "predict_by_arm", compute)
    with taking_jobs(engine):
        wait_until(lambda: found_job(engine, job).state == "failed", 20)
    assert found_job(engine, job).reason == "that is enough"


def test_a_worker_that_stops_leaves_its_job_to_another_one(engine: Engine) -> None:
    with writing(engine) as connection:
        job = enter(connection, [ONE])
    with writing(engine) as connection:
        assert job_queue.claim(connection, "default", "first", NOW, NOW) is not None
        job_queue.release(connection, job.id, "first")
        found = jobs.find(connection, job.id, KEY_ID)
        assert found is not None
        assert (found.state, found.attempts) == ("waiting", 0)
        assert job_queue.claim(connection, "default", "second", NOW, NOW) is not None


def test_a_result_is_deleted_when_it_expires(engine: Engine) -> None:
    with writing(engine) as connection:
        kept, gone = (enter(connection, [ONE]) for _ in range(2))
        connection.execute(insert(schema.prediction_job_parts).values(job=gone.id, part=0, content=b"x"))
        for job, hours in ((kept, 25), (gone, 24)):
            expires_at = NOW + timedelta(hours=hours)
            jobs_table = schema.prediction_jobs
            ended = update(jobs_table).where(jobs_table.c.id == job.id)
            connection.execute(ended.values(state="done", expires_at=expires_at))
        day = NOW + timedelta(hours=24)
        assert job_queue.is_anything_to_do(connection, "default", day, NOW)
        assert job_queue.delete_expired(connection, day) == 1
        assert connection.execute(select(schema.prediction_jobs.c.id)).scalars().all() == [kept.id]
        assert connection.execute(select(schema.prediction_job_parts)).all() == []
