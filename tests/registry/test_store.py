"""Which version serves: exactly one, at any time, and who decided so."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from processes import killed_while_promoting
from sales_forecast.errors import InputError
from sales_forecast.registry.store import Registry

pytestmark = pytest.mark.xdist_group("database")  # one server to fork from, one store of MLflow


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def registry(uri: str, tmp_path: Path) -> Registry:
    """Three versions of a model, the second of which serves, after the first did."""
    client = MlflowClient(tracking_uri=uri)
    found = Registry(client, tmp_path.name)
    client.create_registered_model(found.name)
    for _ in range(3):
        client.create_model_version(found.name, source=str(tmp_path))
    found.promote("1", "the first one", who="kedro run")
    found.promote("2", "a better one", who="kedro run")
    return found


def _champion(registry: Registry) -> str:
    champion = registry.champion()
    assert champion is not None
    return str(champion.version)


def test_before_the_first_version_nothing_serves(uri: str) -> None:
    empty = Registry(MlflowClient(tracking_uri=uri), "never heard of")
    assert empty.champion() is None
    assert empty.versions() == []
    assert empty.history() == []


def test_a_promoted_version_serves_and_who_when_and_why_is_recorded(registry: Registry) -> None:
    registry.promote("3", "the manager wants it", who="ada")
    assert _champion(registry) == "3"
    event = registry.history()[-1]
    assert (event.action, event.version, event.previous) == ("promote", "3", "2")
    assert (event.who, event.why) == ("ada", "the manager wants it")
    assert event.when.endswith("Z")


def test_going_back_walks_the_history_step_by_step(registry: Registry) -> None:
    registry.promote("3", "try it")
    assert registry.rollback("it was worse").version == "2"
    assert _champion(registry) == "2"
    assert registry.rollback("even earlier").version == "1"
    assert _champion(registry) == "1"
    with pytest.raises(InputError, match="no version served before 1"):
        registry.rollback("still earlier")
    assert _champion(registry) == "1"


def test_a_challenger_that_wins_asks_no_more(registry: Registry) -> None:
    registry.challenge("3")
    challenger = registry.challenger()
    assert challenger is not None
    assert str(challenger.version) == "3"
    assert _champion(registry) == "2"
    registry.promote("3", "it won")
    assert registry.challenger() is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda registry: registry.promote("9", ""), "has no version 9; there are: 1, 2, 3"),
        (lambda registry: registry.promote("two", ""), "has no version two"),
        (lambda registry: registry.promote("2", ""), "version 2 is champion already"),
    ],
)
def test_what_cannot_be_promoted_changes_nothing(
    registry: Registry, change: Callable[[Registry], object], says: str
) -> None:
    before = registry.history()
    with pytest.raises(InputError, match=says):
        change(registry)
    assert _champion(registry) == "2"
    assert registry.history() == before


@pytest.mark.parametrize(
    ("moment", "call", "serves"),
    [
        ("before", "set_registered_model_tag", "2"),
        ("after", "set_registered_model_tag", "2"),
        ("before", "set_registered_model_alias", "2"),
        ("after", "set_registered_model_alias", "3"),
    ],
)
def test_killed_in_between_exactly_one_version_serves_and_the_next_command_works(
    registry: Registry, uri: str, moment: str, call: str, serves: str
) -> None:
    assert killed_while_promoting(uri, registry.name, "3", moment, call) == -signal.SIGKILL
    assert _champion(registry) == serves
    if serves == "2":
        registry.promote("3", "once more")
    assert registry.rollback("undo").version == "2"
    assert _champion(registry) == "2"
