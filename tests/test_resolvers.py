"""Secrets come from files, from the environment, or from the secret of AWS that it names."""

from pathlib import Path

import pytest
from omegaconf.errors import OmegaConfBaseException

from sales_forecast.configuration import load_configuration
from sales_forecast.errors import InputError
from sales_forecast.resolvers import secret

NAME = "SALES_FORECAST_DATABASE_URL"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SALES_FORECAST_SECRETS_FOLDER", str(tmp_path))
    monkeypatch.delenv(NAME, raising=False)
    return tmp_path


def test_a_file_comes_before_the_environment_and_that_before_the_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert secret(NAME, "by default") == "by default"
    monkeypatch.setenv(NAME, "of the environment")
    assert secret(NAME, "by default") == "of the environment"
    (folder / NAME).write_text("of a file\n")
    assert secret(NAME, "by default") == "of a file"


def test_the_secret_of_aws_comes_after_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How it is read from AWS, tests/aws_stacks/test_moto.py tries."""
    of_aws = {"shop/service": {NAME: "of AWS"}}
    monkeypatch.setattr("sales_forecast.aws.secrets.read_secret", of_aws.__getitem__)
    monkeypatch.setenv("SALES_FORECAST_AWS_SECRET", "shop/service")
    assert secret(NAME, "by default") == "of AWS"
    assert secret("SALES_FORECAST_AB_SALT", "by default") == "by default"
    monkeypatch.setenv(NAME, "of the environment")
    assert secret(NAME) == "of the environment"


def test_the_address_of_the_database_and_the_salt_are_secrets(folder: Path) -> None:
    (folder / NAME).write_text("postgresql://someone:password@elsewhere/forecasts\n")
    (folder / "SALES_FORECAST_AB_SALT").write_text("pepper\n")
    found = load_configuration("postgres")
    assert found["globals"]["database_url"] == "postgresql://someone:password@elsewhere/forecasts"
    assert found["service"]["ab"]["salt"] == "pepper"


def test_a_variable_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALES_FORECAST_BUCKET", raising=False)
    with pytest.raises(OmegaConfBaseException, match="variable SALES_FORECAST_BUCKET is missing"):
        load_configuration("aws")
    monkeypatch.setenv("SALES_FORECAST_BUCKET", "shop")
    monkeypatch.setenv(NAME, "postgresql://elsewhere/forecasts")
    found = load_configuration("aws")["globals"]
    assert found["data_root"] == "s3://shop/data"
    assert (found["raw_folder"], found["archive_folder"]) == (
        "s3://shop/data/01_raw",
        "s3://shop/data/archive",
    )


def test_a_secret_that_is_missing_or_empty_says_where_it_belongs(folder: Path) -> None:
    with pytest.raises(InputError, match=f"'{NAME}' is missing: write it to {folder}/{NAME}"):
        secret(NAME)
    (folder / NAME).write_text("\n")
    with pytest.raises(InputError, match=f"{folder}/{NAME} is empty"):
        secret(NAME, "by default")
    (folder / NAME).write_bytes(b"\xff")
    with pytest.raises(InputError, match="no text in UTF-8"):
        secret(NAME)
