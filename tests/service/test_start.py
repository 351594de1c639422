"""How the service starts: alone and by default safe, without the registry, after a broken version, as several processes."""

import json
import re
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from projects import Project, copy_finished
from sales_forecast.__main__ import app
from sales_forecast.service.start import Start
from servers import free_port
from services import Shop, another_version, damaged, opened, registry, served, wait_until

pytestmark = pytest.mark.xdist_group("attacks")

FORECASTS, PREDICT = "/v1/turnover/forecasts?limit=1", "/v1/turnover/predict"
BODY = {"series": [{"store": 105, "department": 117}]}


@pytest.fixture(scope="module")
def project(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_finished(small, tmp_path_factory.mktemp("start") / "project")


def test_other_machines_are_served_in_production_only(
    project: Project, new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", new_database("sqlite"))
    done = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0"])
    assert done.exit_code == 1
    assert "host: 0.0.0.0 is open to other machines" in done.stderr
    (own := project.folder / "conf/local/service.yml").write_text("requests_per_minute: 3")
    done = CliRunner().invoke(app, ["serve"])
    own.unlink()
    assert "requests_per_minute is now units_per_minute" in done.stderr


def test_a_trial_key_is_used_again_and_is_in_no_log(
    project: Project, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    url, kept = new_database("sqlite"), project.folder / "conf/local/trial_key"
    keys = []
    for log in (tmp_path / "first.log", tmp_path / "second.log"):
        with served(project, url, log) as (shop, _):
            keys.append(kept.read_text().strip())
            headers = {"Authorization": f"Bearer {keys[-1]}"}
            assert shop.client.get(FORECASTS, headers=headers).status_code == 200
        told = log.read_text()
        assert "$(cat conf/local/trial_key)" in told
        assert keys[-1] not in told
    assert keys[0] == keys[1]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_stored_forecasts_are_served_while_the_tracking_server_is_away(
    project: Project, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    away = tmp_path / "project"
    moved = copy_finished(project, away)
    address = f"http://127.0.0.1:{free_port()}"
    (away / "conf/local/mlflow.yml").write_text(json.dumps({"server": {"mlflow_tracking_uri": address}}))
    with served(moved, new_database("sqlite"), tmp_path / "log", answers_at="/startup") as (shop, _):
        assert shop.get(FORECASTS).status_code == 200
        assert shop.post(PREDICT, BODY).status_code == 503
        status, colour, checks = shop.ready()
        assert (status, colour) == (200, "yellow")
        assert "only stored forecasts can be read" in checks["turnover champion"]["detail"]


def test_a_broken_version_at_start_leaves_the_one_before_it_serving(
    project: Project, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    broken = copy_finished(project, tmp_path / "project")
    registry(broken).promote(another_version(broken, damaged), "by mistake")
    with opened(broken, new_database("sqlite")) as shop:
        status, colour, checks = shop.ready()
        assert (status, colour) == (200, "yellow")
        assert checks["turnover champion"]["detail"].endswith("; version 1 serves")
        assert shop.post(PREDICT, BODY).json()["predictions"][0]["model_version"] == "1"


def test_each_domain_speaks_for_itself_and_to_strangers_without_details(
    project: Project, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    broken = copy_finished(project, tmp_path / "project")
    known = registry(broken)
    folder = known.client.get_model_version_download_uri(known.name, "1").removeprefix("file://")
    damaged(Path(folder) / "data" / "package")
    with served(broken, new_database("sqlite"), tmp_path / "log", answers_at="/startup") as (shop, _):
        assert shop.ready()[:2] == (503, "red")
        assert shop.client.get("/ready/turnover").status_code == 503
        marketing = shop.client.get("/ready/marketing")
        assert (marketing.status_code, marketing.json()["domains"]) == (200, {"marketing": "green"})
        checks = shop.client.get("/ready").json()["checks"]
        assert checks["turnover champion"] == {"status": "red", "detail": None}
        assert "no version serves" in shop.ready()[2]["turnover champion"]["detail"]
        assert shop.get(FORECASTS).status_code == 200


def test_a_database_that_takes_no_writes_is_red(
    project: Project, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    with served(project, new_database("sqlite"), tmp_path / "log") as (shop, process):
        assert shop.ready()[1] == "green"
        server = psutil.Process(process.pid)
        server.rlimit(psutil.RLIMIT_FSIZE, (1, psutil.RLIM_INFINITY))  # as on a disk that is full
        wait_until(lambda: shop.client.get("/ready").status_code == 503, seconds=20)
        assert shop.client.get("/ready").json()["checks"]["database"]["status"] == "red"
        assert shop.client.get("/health").status_code == 200
        server.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
        wait_until(lambda: shop.client.get("/ready").status_code == 200, seconds=20)


def test_production_shows_no_documentation_and_believes_no_stranger(
    project: Project, new_database: Callable[[str], str]
) -> None:
    settings = {
        "production": True,
        "allowed_hosts": ["testserver"],
        "ab": {"challenger_share": 0.0, "salt": "of our own", "planned_weeks": 8, "alpha": 0.05},
    }
    with opened(project, new_database("sqlite"), **settings) as shop:
        assert shop.client.get("/docs").status_code == 404
        assert shop.client.get("/openapi.json").status_code == 404
        refused = shop.client.get("/health", headers={"Host": "elsewhere"})
        assert (refused.status_code, refused.headers["Content-Type"]) == (400, "application/problem+json")
        assert refused.json()["request_id"] == refused.headers["X-Request-ID"]
        root = shop.client.get("/").json()
        assert (root["documentation"], root["openapi"], root["health"]) == (None, None, "/health")
        changes = shop.get("/v1/models").json()["champion_changes"]
        assert changes[0]["who"] is not None  # this key has the scope admin


@pytest.mark.parametrize(("proxies", "lines"), [("", 1), ("10.0.0.0/8", 0)])
def test_production_without_a_trusted_proxy_says_so_once(
    project: Project,
    new_database: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    proxies: str,
    lines: int,
) -> None:
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", new_database("sqlite"))
    monkeypatch.setenv("SALES_FORECAST_AB_SALT", "of our own")
    monkeypatch.setenv("SALES_FORECAST_TRUSTED_PROXIES", proxies)
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: None)
    Start("local", None, None, True, 1).run(FastAPI())
    assert caplog.text.count("No proxy is trusted") == lines


@pytest.fixture(scope="module")
def many(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_finished(project, tmp_path_factory.mktemp("many") / "project")


def test_several_processes_serve_count_and_tell_together(
    many: Project, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    (many.folder / "conf/local/service.yml").write_text(json.dumps({"trusted_proxies": ["127.0.0.1"]}))
    log = tmp_path / "log"
    with served(many, new_database("sqlite"), log, "--workers", "2") as (shop, process):
        wait_until(lambda: len(workers(process.pid)) == 2)
        folder = Path(workers(process.pid)[0].environ()["PROMETHEUS_MULTIPROC_DIR"])
        answers: list[tuple[int, str]] = []

        def both_have_answered() -> bool:
            with ThreadPoolExecutor(8) as pool:  # the system chooses who answers
                answers.extend(pool.map(lambda _: ask_anew(shop), range(20)))
            return len({line["process"]["pid"] for line in told(log, "/v1/turnover/forecasts")}) == 2

        wait_until(both_have_answered)
        assert {answer[0] for answer in answers} == {200}
        assert {answer[1] for answer in answers} == {'"key";q=30000;w=60'}
        wait_until(lambda: counted(shop) == len(answers), seconds=10)  # each is counted after it was sent
        killed = workers(process.pid)[0]
        killed.kill()
        wait_until(lambda: len(workers(process.pid)) == 2 and killed not in workers(process.pid))
        wait_until(lambda: shop.client.get("/ready").status_code == 200)
        wait_until(lambda: not [*folder.glob(f"gauge_live*_{killed.pid}.db")])
        assert counted(shop) == len(answers)
    assert {line["client"]["address"] for line in told(log, "/v1/")} == {"203.0.113.7"}
    assert not folder.exists()


def told(log: Path, words: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if words in line["message"]]


def counted(shop: Shop) -> float:
    """Answered reads of forecasts, as the metrics of all processes say."""
    name = "sales_forecast_request_seconds_count"
    labels = 'method="GET",route="/v1/turnover/forecasts",status="200"'
    found = re.search(rf"{name}{{{labels}}} (\S+)", shop.client.get("/metrics").text)
    return float(found[1]) if found else 0.0


def workers(pid: int) -> list[psutil.Process]:
    """Those that serve; Python's helpers of its own are left out."""
    children = psutil.Process(pid).children()
    alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]


def ask_anew(shop: Shop) -> tuple[int, str]:
    """A connection of its own, so that the system chooses who answers."""
    headers = shop.bearer | {"X-Forwarded-For": "203.0.113.7", "Connection": "close"}
    answer = shop.client.get(FORECASTS, headers=headers)
    return answer.status_code, answer.headers["RateLimit-Policy"]
