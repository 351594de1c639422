"""Names of retailers: readable, and part of the names of registered models."""

import doctest

import pytest

from sales_forecast import retailers


def test_the_examples_of_the_module_hold() -> None:
    found = doctest.testmod(retailers)
    assert found.attempted >= 5
    assert found.failed == 0


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("data/01_raw", "sample"),
        ("/data/Stores of Liège/", "stores-of-li-ge"),
        ("C:\\files\\Harbour", "harbour"),
        ("s3://bucket/2017_q4", "2017_q4"),
        (".", "retailer"),
        ("/", "retailer"),
        ("x" * 99, "x" * 50),
    ],
)
def test_a_folder_gives_a_name_that_can_be_registered(folder: str, name: str) -> None:
    assert retailers.name_of_folder(folder) == name
    assert retailers.check_name(name) == name


def test_the_name_of_a_registered_model_tells_domain_and_retailer() -> None:
    for domain in ("turnover", "marketing"):
        for retailer in ("default", "harbour", "2017_q4"):
            registered = retailers.model_name(f"sales_forecast.{domain}", retailer)
            assert (retailers.domain_of(registered), retailers.retailer_of(registered)) == (domain, retailer)
