"""Numbers as people type them: with a comma or a point, with blanks between the thousands, with a sign."""

import pytest

from sales_forecast.service.planner.entered import AmbiguousNumberError, entered, read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("15,5", 15.5),
        ("15.5", 15.5),
        ("+15,5 %", 15.5),
        ("-12.5", -12.5),
        ("\N{MINUS SIGN}12,5", -12.5),
        ("20", 20.0),
        ("1234", 1234.0),
        ("0,125", 0.125),
        ("12,3456", 12.3456),
        ("1 234", 1234.0),
        ("1\N{NO-BREAK SPACE}234,5", 1234.5),
        ("1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567", 1234567.0),
        ("1'234.50", 1234.5),
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1,234,567", 1234567.0),
        ("1.234.567", 1234567.0),
        ("1234,567", 1234.567),
        (",5", 0.5),
    ],
)
def test_a_number_is_read_as_it_is_meant(text: str, number: float) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize("text", ["1,234", "1.234", "-12,345", "123.456"])
def test_a_number_that_may_mean_two_things_is_refused_with_both(text: str) -> None:
    with pytest.raises(AmbiguousNumberError, match="may be") as caught:
        read_number(text)
    digits = text.strip("-").replace(",", "").replace(".", "")
    assert digits in f"{caught.value}"


@pytest.mark.parametrize(
    "text", ["", "much", "1e5", "nan", "inf", "1,2,3", "1,23,456", "1.2.3", "--5", "5-", "1 2", ","]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no number such as"):
        read_number(text)


@pytest.mark.parametrize("value", [20.0, -12.5, 1234567.25, 1.234, 12.345, 0.125, 1e-3, 1234.567, 2e11])
def test_a_number_that_is_filled_in_is_read_back(value: float) -> None:
    assert read_number(entered(value)) == value
