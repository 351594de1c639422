"""What the service tells Prometheus about the forecasts, over the tables of a shop."""

from datetime import UTC, datetime, time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from sales_forecast.service.metrics import ForecastMetrics
from sales_forecast.service.model_manager import ModelManager
from sales_forecast.storage import current_state
from sales_forecast.storage.current_state import read_current_state
from sales_forecast.storage.database import open_database, upgrade
from watched_shop import NEWEST, NOW, fill_tables

pytestmark = pytest.mark.xdist_group("deploy")

Values = dict[tuple[str, ...], float]


def read(text: str) -> dict[str, Values]:
    """Metric -> values of its labels, in the order of their names -> value."""
    found: dict[str, Values] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name.removeprefix("sales_forecast_"), {})[labels] = sample.value
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    if request.param == "postgresql":
        found: Engine = request.getfixturevalue("watched_database")
        return found
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('shop')}/shop.db")
    upgrade(engine)
    fill_tables(engine)
    return engine


def metrics(engine: Engine, retailer: str = "default") -> dict[str, Values]:
    return read(ForecastMetrics(engine, retailer, ModelManager({}, 0.0, "")).render().decode())


def seconds(when: datetime) -> float:
    return pytest.approx(when.timestamp(), abs=1e-3)


def test_the_newest_week_is_told_as_it_is_in_the_tables(shop: Engine) -> None:
    found = metrics(shop)
    assert found["database_up"] == {(): 1.0}
    assert len(found["signal_state"]) == 3 * 3 + 2 * 2
    assert {key: state for key, state in found["signal_state"].items() if state} == {
        ("level", "88", "default"): 2.0
    }
    assert found["signal_value"]["level", "88", "default"] == -6.0
    assert ("bias", "88", "default") in found["signal_value"]
    assert ("bias", "88", "default") not in found["signal_threshold"]
    assert found["store_signals"] == {("default", "warning"): 1.0, ("default", "alarm"): 0.0}
    midnight = datetime.combine(NEWEST, time(), UTC).timestamp()
    assert found["signals_week_timestamp_seconds"] == {("default",): midnight}


def test_how_new_and_how_right_the_forecasts_are(shop: Engine) -> None:
    found = metrics(shop)
    assert found["publication_made_timestamp_seconds"] == {
        ("marketing", "default"): seconds(NOW),
        ("turnover", "default"): pytest.approx(NOW.timestamp() - 3 * 3600, abs=1e-3),
    }
    assert list(found["publication_cutoff_timestamp_seconds"]) == [("turnover", "default")]
    assert found["realised_weeks"] == {("default",): 8.0}
    assert found["realised_wape_ratio"] == {("default",): pytest.approx(0.1)}
    assert found["realised_bias_ratio"] == {("default",): pytest.approx(0.1)}
    assert found["realised_coverage_ratio"] == {
        ("80", "default"): pytest.approx(0.9),
        ("95", "default"): pytest.approx(0.95),
    }


def test_what_waits_for_somebody(shop: Engine) -> None:
    found = metrics(shop)
    assert found["retraining_wanted"] == {("default",): 1.0}
    five_days_ago = pytest.approx(NOW.timestamp() - 5 * 86400, abs=1e-3)
    assert found["retraining_wanted_since_timestamp_seconds"] == {("default",): five_days_ago}
    states = {state: value for (_, state), value in found["delivery_state"].items()}
    assert states == {"accepted": 0.0, "held": 1.0, "refused": 0.0}
    [held], [accepted] = (found[f"delivery{kind}_timestamp_seconds"].values() for kind in ("", "_accepted"))
    assert held == pytest.approx(NOW.timestamp() - 4 * 3600, abs=1e-3)
    assert accepted < held


def test_a_retailer_of_whom_nothing_is_known_has_no_numbers(shop: Engine) -> None:
    assert metrics(shop, "another") == {
        "database_up": {(): 1.0},
        "retraining_wanted": {("another",): 0.0},
    }


def test_a_large_chain_loses_calm_signals_only(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_state, "MOST_SIGNALS", 3)
    with shop.connect() as connection:
        signals = read_current_state(connection, "default").signals
    assert len(signals) == 3
    assert signals[0]["state"] == "alarm"


def test_a_database_that_cannot_be_read_costs_only_what_is_in_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    without_tables = open_database(f"sqlite:///{tmp_path_factory.mktemp('empty')}/shop.db")
    assert metrics(without_tables) == {"database_up": {(): 0.0}}


def test_the_database_is_not_asked_at_each_scrape(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []

    def counted(connection: object, retailer: str) -> object:
        reads.append(retailer)
        return read_current_state(connection, retailer)  # type: ignore[arg-type]

    monkeypatch.setattr("sales_forecast.service.metrics.read_current_state", counted)
    kept = ForecastMetrics(shop, "default", ModelManager({}, 0.0, ""))
    assert kept.render() == kept.render()
    assert reads == ["default"]


def test_the_service_tells_it_beside_its_own_metrics(service_url: str) -> None:
    def asked() -> dict[str, Values]:
        return read(httpx.get(f"http://{service_url}/metrics").text)

    found = asked()
    assert found["signal_state"]["level", "88", "default"] == 2.0
    assert found["champion_info"] == {("sales_forecast.turnover", "1"): 1.0}
    [registered] = found["champion_registered_timestamp_seconds"].values()
    assert abs(registered - NOW.timestamp()) < 3600  # of the registry, some time after the test began
    assert found["process_resident_memory_bytes"]
