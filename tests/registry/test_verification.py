"""A version is loaded only if it still holds what was registered, and names only methods that are allowed."""

import json
import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from click.testing import Result
from kedro.io import DatasetError
from mlflow import MlflowClient
from typer.testing import CliRunner

from projects import REPOSITORY
from sales_forecast import tracking
from sales_forecast.errors import InputError
from sales_forecast.models import turnover
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.registry import verification
from sales_forecast.registry.cli import models
from sales_forecast.registry.dataset import RegistryDataset
from sales_forecast.registry.deployed import ask
from sales_forecast.registry.known_retailers import KnownRetailersDataset
from sales_forecast.registry.packages import PACKAGE, log_package, open_package
from sales_forecast.registry.serving import ServingModel, Submission
from sales_forecast.registry.store import DIGEST, Registry
from sales_forecast.registry.trust import NO_KEY, Trust, read_trust
from sales_forecast.registry.verification import FILES, SIGNATURE, digest_files, tags_of_files
from sales_forecast.registry.versions import RegisteredVersions
from sales_forecast.service.model_manager import ModelManager

pytestmark = pytest.mark.xdist_group("verification")  # one registry

EARLIER = Path(__file__).resolve().parents[1] / "models" / "earlier_package" / PACKAGE
KIND = "sales_forecast.models.turnover.TurnoverPackage"
SIGNED, UNSIGNED, BEFORE = "1", "2", "3"
KEY, OTHER_KEY = Trust(signing_key="k" * 64), Trust(signing_key="o" * 64)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with a signed version, one with digests only, and one from before there were any."""
    folder = tmp_path_factory.mktemp("verified")
    before, uri = mlflow.get_tracking_uri(), f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("verified", artifact_location=f"{folder}/mlruns")
    registry = Registry(client, "sales_forecast.turnover")
    package = TurnoverPackage.read(EARLIER)
    tags = {"data_version": "d", DIGEST: package.digest()}
    with mlflow.start_run(experiment_id=experiment):
        for trust in (KEY, NO_KEY, NO_KEY):
            log_package(package, turnover, registry, "# A model card", tags, trust)
    client.delete_model_version_tag(registry.name, BEFORE, FILES)
    registry.promote(UNSIGNED, "the first one")
    yield registry
    mlflow.set_tracking_uri(before)


@pytest.fixture
def store(registry: Registry) -> Iterator[Path]:
    """Folder of the package of the unsigned version in the artifact store, which a test may change."""
    folder = stored(registry, UNSIGNED)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    yield folder
    shutil.rmtree(folder)
    folder.mkdir()
    for name, content in kept.items():
        (folder / name).write_bytes(content)


def stored(registry: Registry, number: str, folder: str = f"data/{PACKAGE}") -> Path:
    """A folder of a version in the artifact store."""
    uri = registry.client.get_model_version_download_uri(registry.name, number)
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=f"{uri}/{folder}"))


def triple_turnover(folder: Path) -> None:
    file = folder / "panel.parquet"
    panel = pd.read_parquet(file)
    panel.assign(turnover=3 * panel["turnover"]).to_parquet(file, index=False)


# --- digests --------------------------------------------------------------------------------


def test_a_version_carries_the_digest_of_each_file_and_is_signed_with_a_key(registry: Registry) -> None:
    expected = digest_files(stored(registry, SIGNED))
    assert {"model.json", "panel.parquet", "model_card.md"} < set(expected)
    tags = registry.version(SIGNED).tags
    assert tags[FILES] == json.dumps(expected, sort_keys=True, separators=(",", ":"))
    assert len(tags[SIGNATURE]) == 64
    assert SIGNATURE not in registry.version(UNSIGNED).tags
    for number, trust in ((SIGNED, KEY), (SIGNED, NO_KEY), (UNSIGNED, NO_KEY)):
        assert open_package(registry.version(number), TurnoverPackage, trust).model.name


def test_a_replaced_file_is_refused_by_its_name_with_the_ways_out(registry: Registry, store: Path) -> None:
    triple_turnover(store)
    with pytest.raises(InputError) as refused:
        open_package(registry.version(UNSIGNED), TurnoverPackage, NO_KEY)
    assert str(refused.value) == (
        "version 2 of sales_forecast.turnover is not what was registered: panel.parquet is not the file that "
        "was registered. Restore the artifact store from a backup. Or let another version serve: "
        "sales-forecast models rollback turnover, or models promote"
    )


def test_missing_and_added_files_are_refused(registry: Registry, store: Path) -> None:
    (store / "stores.parquet").unlink()
    with pytest.raises(InputError, match=r"stores\.parquet is missing"):
        open_package(registry.version(UNSIGNED), TurnoverPackage, NO_KEY)
    (store / "known_ahead.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"is missing \(and 1 more file\(s\) differ\)"):
        open_package(registry.version(UNSIGNED), TurnoverPackage, NO_KEY)


def test_files_that_are_swapped_once_they_are_checked_are_not_loaded(
    registry: Registry, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = verification.check_files

    def check_then_swap(*arguments: Any) -> None:
        check(*arguments)
        triple_turnover(store)

    monkeypatch.setattr(verification, "check_files", check_then_swap)
    found = registry.version(UNSIGNED)
    assert open_package(found, TurnoverPackage, NO_KEY).digest() == found.tags[DIGEST]
    with pytest.raises(InputError, match=r"panel\.parquet is not the file"):
        open_package(found, TurnoverPackage, NO_KEY)


def test_nothing_of_a_changed_package_is_parsed(registry: Registry, store: Path) -> None:
    (store / "model.json").write_text("no JSON at all")
    with pytest.raises(InputError, match=r"model\.json is not the file that was registered"):
        open_package(registry.version(UNSIGNED), TurnoverPackage, NO_KEY)


def test_wherever_a_version_is_opened_it_is_verified(registry: Registry, store: Path, tmp_path: Path) -> None:
    """The catalog of the pipelines, the earlier versions of changes, and the service."""
    catalog = RegistryDataset(model=registry.name, package=KIND, folder=str(tmp_path), trust={})
    known = KnownRetailersDataset(model=registry.name, table="panel", folder=str(tmp_path), trust={})
    serving = catalog.load()
    assert serving is not None
    assert list(known.load().data) == ["default"]
    triple_turnover(store)
    catalog.belong_to("default")
    manager = ModelManager({"turnover": registry}, 0.0, "salt")
    manager.refresh()
    assert manager.champion("turnover") is None
    assert "panel.parquet is not the file" in manager.problems["turnover champion"]
    question = serving.package.example()
    for opens in (
        catalog.load,
        known.load,
        lambda: RegisteredVersions().package(registry.name, UNSIGNED, TurnoverPackage),
        lambda: ask(serving, question),
    ):
        with pytest.raises((InputError, DatasetError), match=r"panel\.parquet is not the file that"):
            opens()


def test_more_files_than_a_tag_can_list_are_refused() -> None:
    many = {f"{number}.parquet": "a" * 64 for number in range(2000)}
    with pytest.raises(InputError, match=r"2000 files take 1\d\d,\d{3} characters, .* holds 100,000"):
        tags_of_files("sales_forecast.turnover", many, "", NO_KEY)


def test_a_version_from_before_the_digests_is_loaded_with_one_warning(
    registry: Registry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    verification._warn_of_unknown_digests.cache_clear()
    monkeypatch.setattr(logging.getLogger("sales_forecast"), "propagate", True)
    for _ in range(3):
        assert open_package(registry.version(BEFORE), TurnoverPackage, NO_KEY).model.name
    warned = [record.getMessage() for record in caplog.records if record.name == verification.__name__]
    assert [each for each in warned if "version 3 " in each] == [  # a service of other tests may warn, too
        "version 3 of sales_forecast.turnover was registered before digests of its files were recorded: it is "
        "loaded as it is. To record them: sales-forecast models sign turnover 3"
    ]


# --- signatures ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "trust", "what"),
    [
        (UNSIGNED, KEY, "version 2 of .* is not signed, and models.signing_key is configured"),
        (BEFORE, KEY, "version 3 of .* is not signed"),
        (SIGNED, OTHER_KEY, "version 1 of .* is signed with another key, or its tags were changed"),
    ],
)
def test_with_a_key_a_version_without_its_signature_is_refused(
    registry: Registry, number: str, trust: Trust, what: str
) -> None:
    with pytest.raises(InputError, match=what) as refused:
        open_package(registry.version(number), TurnoverPackage, trust)
    assert f"sales-forecast models sign turnover {number}" in str(refused.value)


@pytest.mark.parametrize("tag", [FILES, DIGEST])
def test_with_a_key_whoever_changes_files_and_tags_is_found_out(registry: Registry, tag: str) -> None:
    found = registry.version(SIGNED)
    changed = json.dumps(json.loads(found.tags[FILES]) | {"panel.parquet": "0" * 64}) if tag == FILES else "0"
    registry.client.set_model_version_tag(registry.name, SIGNED, tag, changed)
    with pytest.raises(InputError, match="its tags were changed"):
        open_package(registry.version(SIGNED), TurnoverPackage, KEY)
    registry.client.set_model_version_tag(registry.name, SIGNED, tag, found.tags[tag])
    assert open_package(registry.version(SIGNED), TurnoverPackage, KEY).model.name


def test_a_signature_of_another_model_does_not_count(registry: Registry) -> None:
    digests = json.loads(registry.version(SIGNED).tags[FILES])
    ours = tags_of_files("sales_forecast.turnover", digests, "d", KEY)
    theirs = tags_of_files("sales_forecast.turnover.harbour", digests, "d", KEY)
    assert ours[FILES] == theirs[FILES]
    assert ours[SIGNATURE] != theirs[SIGNATURE]


# --- the commands ----------------------------------------------------------------------------


@pytest.fixture
def command(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A command of ``sales-forecast models`` on this registry, with or without a key."""
    uri = registry.client.tracking_uri
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("SALES_FORECAST_STATE", uri.removeprefix("sqlite:///").removesuffix("/mlflow.db"))

    def run(*arguments: str, key: Trust = NO_KEY, **options: Any) -> Result:
        monkeypatch.setenv("SALES_FORECAST_SIGNING_KEY", key.signing_key.get_secret_value())
        return CliRunner().invoke(models, [*arguments, "--env", "base"], **options)

    return run


def test_verify_tells_of_all_versions_and_fails_if_one_differs(
    command: Callable[..., Result], registry: Registry, store: Path
) -> None:
    done = command("verify")
    assert done.exit_code == 0, done.output
    assert (
        "sales_forecast.turnover version 2: its 8 files are those that were registered; no signature is asked"
        in done.output
    )
    assert "version 3: the digests of its files were not recorded, so it is loaded as it is." in done.output
    triple_turnover(store)
    done = command("verify", "turnover")
    assert done.exit_code == 1
    assert "Error: version 2 of sales_forecast.turnover is not what was registered: panel.parq" in done.output
    assert f"Error: 1 of {len(registry.versions())} version(s) would not be loaded" in done.output
    assert command("verify", "turnover", SIGNED).exit_code == 0
    done = command("verify", "turnover", BEFORE, key=KEY)
    assert (done.exit_code, "version 3 of sales_forecast.turnover is not signed" in done.output) == (1, True)


def test_a_version_that_would_not_be_loaded_is_not_promoted(
    command: Callable[..., Result], registry: Registry
) -> None:
    before = registry.history()
    done = command("promote", "turnover", BEFORE, "--why", "try it", key=KEY)
    assert (done.exit_code, "version 3 of sales_forecast.turnover is not signed" in done.output) == (1, True)
    assert registry.history() == before


def test_a_run_whose_model_is_registered_already_does_not_promote_what_would_not_be_loaded(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(tracking._run, "id", None)  # a session before, in the same process, has left its own
    catalog = RegistryDataset(
        model=registry.name, package=KIND, folder=str(tmp_path), trust={"signing_key": "k" * 64}
    )
    submission = Submission(TurnoverPackage.read(EARLIER), "", True, "better", "d", against=UNSIGNED)
    before = registry.history()
    with pytest.raises(DatasetError, match=r"version 3 of sales_forecast.turnover is not signed"):
        catalog.save([submission])
    assert registry.history() == before


def test_a_version_from_before_is_signed_by_who_vouches_for_it(
    command: Callable[..., Result], registry: Registry
) -> None:
    why = ("--why", "It has served since March")
    done = command("sign", "turnover", BEFORE, *why, key=KEY, input="n\n")
    assert (done.exit_code, registry.signings()) == (1, [])
    assert FILES not in registry.version(BEFORE).tags
    assert (
        "Its model and tables are those that were registered, by the digest of the whole pac" in done.output
    )

    done = command("sign", "turnover", BEFORE, *why, key=KEY, input="y\n")
    assert done.exit_code == 0, done.output
    assert "The digests of version 3 of sales_forecast.turnover are recorded and signed." in done.output
    assert open_package(registry.version(BEFORE), TurnoverPackage, KEY).model.name
    (event,) = registry.signings()
    assert (event.action, event.version, event.why) == ("sign", "3", "It has served since March")
    assert event not in registry.history()
    assert event.why in command("show", "turnover", key=KEY).output

    done = command("sign", "turnover", BEFORE, *why, key=KEY)
    assert (done.exit_code, "is signed already: its 8 files are" in done.output) == (1, True)
    done = command("sign", "turnover", BEFORE, "--yes", *why, key=OTHER_KEY)
    assert "It was signed with another key, or its tags were changed since." in done.output
    assert done.exit_code == 0
    assert len(registry.signings()) == 2
    for tag in (FILES, SIGNATURE):
        registry.client.delete_model_version_tag(registry.name, BEFORE, tag)


def test_files_that_were_changed_since_are_not_signed_without_being_told(
    command: Callable[..., Result], registry: Registry, store: Path
) -> None:
    triple_turnover(store)
    done = command("sign", "turnover", UNSIGNED, "--yes", "--why", "it is mine", key=KEY)
    assert (done.exit_code, "panel.parquet is not the file that was registered" in done.output) == (1, True)
    listed = registry.version(UNSIGNED).tags[FILES]
    registry.client.delete_model_version_tag(registry.name, UNSIGNED, FILES)
    done = command("sign", "turnover", UNSIGNED, "--why", "it is mine", key=KEY, input="n\n")
    assert "Its model and tables do not have the digest that was registered" in done.output
    registry.client.set_model_version_tag(registry.name, UNSIGNED, FILES, listed)
    assert SIGNATURE not in registry.version(UNSIGNED).tags


def test_without_a_key_there_is_nothing_to_add_to_digests(command: Callable[..., Result]) -> None:
    done = command("sign", "turnover", UNSIGNED, "--yes", "--why", "to be sure")
    assert done.exit_code == 1
    assert "are recorded already" in done.output
    assert "configure a key: SALES_FORECAST_SIGNING_KEY" in done.output


def test_a_key_that_can_be_guessed_is_refused_and_none_is_ever_shown() -> None:
    with pytest.raises(
        InputError, match=r"models.signing_key: it has 6 characters, .* openssl rand"
    ) as refused:
        read_trust({"signing_key": "hunter"})
    assert "hunter" not in str(refused.value)
    assert "kkk" not in repr(KEY)
    assert read_trust({"signing_key": "", "method_modules": []}) == NO_KEY


# --- what a package may name -----------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    [
        {"class": "this.x"},
        {"type": "this.x"},
        {"type": "blend", "members": {"one": {"type": "ridge_of_mine.x"}, "two": {"type": "this.x"}}},
    ],
)
def test_a_class_of_a_module_that_is_not_named_is_not_imported(
    method: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    shutil.copytree(EARLIER, tmp_path, dirs_exist_ok=True)
    content = json.loads((tmp_path / "model.json").read_text()) | {"method": method}
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"'this.x' is not imported: the configuration does not name the"):
        TurnoverPackage.read(tmp_path)
    assert "this" not in sys.modules


OWN = '''
from sales_forecast.forecasting.methods.naive import SeasonalNaive


class LastYear(SeasonalNaive, frozen=True):
    """The same week of last year."""
'''


def test_a_method_of_a_named_module_is_registered_and_loaded(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "methods_of_a_shop.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    from methods_of_a_shop import LastYear  # type: ignore[import-not-found]

    trust = Trust(method_modules=("methods_of_a_shop",))
    package = TurnoverPackage.read(EARLIER)
    package = replace(package, model=package.model.model_copy(update={"method": LastYear(), "fitted": {}}))
    with mlflow.start_run(experiment_id=registry.client.get_experiment_by_name("verified").experiment_id):
        registered = log_package(package, turnover, registry, "# A model card", {}, trust)
    found = registry.version(str(registered.version))
    opened = open_package(found, TurnoverPackage, trust)
    assert isinstance(opened.model.method, LastYear)
    with pytest.raises(InputError, match="does not name the module 'methods_of_a_shop'"):
        open_package(found, TurnoverPackage, NO_KEY)
    answer = mlflow.pyfunc.load_model(f"models:/{found.name}/{found.version}").predict(package.example())
    serving = ServingModel(found.name, package, str(found.version), "", "", trust=trust)
    pd.testing.assert_frame_equal(ask(serving, package.example()), answer)


def test_no_code_of_a_version_is_imported(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    code = stored(registry, UNSIGNED, "code")
    (code / "this.py").write_text("raise SystemExit('code of the version runs')\n")
    described = code.parent / "MLmodel"
    kept = described.read_text()
    described.write_text(kept.replace("loader_module: sales_forecast.models.turnover", "loader_module: this"))
    assert described.read_text() != kept
    package = open_package(registry.version(UNSIGNED), TurnoverPackage, NO_KEY)
    path = list(sys.path)
    answer = ask(ServingModel(registry.name, package, UNSIGNED, "", ""), package.example())
    assert len(answer) == len(package.example())
    assert sys.path == path
    assert "this" not in sys.modules
    described.write_text(kept)
    (code / "this.py").unlink()
