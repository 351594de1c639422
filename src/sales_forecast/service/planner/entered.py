"""Numbers as people type them into a form, whatever their language uses for decimals."""

from __future__ import annotations

import re

SPACES = re.compile(r"[\s'\N{RIGHT SINGLE QUOTATION MARK}](?=\d{3}(?!\d))")
"""What stands between the thousands of 1 234 567 and 1'234'567."""

PLAIN = re.compile(r"[+-]?(\d+|\d*[.,]\d+)")
GROUPED = re.compile(r"[+-]?\d{1,3}(?:(?:,\d{3})+(?:\.\d+)?|(?:\.\d{3})+(?:,\d+)?)")
"""Thousands that are separated by commas, with a decimal point; or the other way round."""

EITHER = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
"""1,234 is a thousand and more in some languages, and a little more than one in others."""


class AmbiguousNumberError(ValueError):
    """A number may be meant in two ways."""


def read_number(text: str) -> float:
    """Read a number with a decimal comma or a decimal point.

    >>> read_number("15,5"), read_number("1 250"), read_number("1.234,50")
    (15.5, 1250.0, 1234.5)

    Raises:
        AmbiguousNumberError: It may be meant in two ways.
        ValueError: It is no number.
    """
    written = text.strip().removesuffix("%").strip().replace("\N{MINUS SIGN}", "-")
    digits = SPACES.sub("", written)
    if EITHER.fullmatch(written):
        whole, thousandths = re.split("[.,]", digits)
        raise AmbiguousNumberError(
            f"'{text}' may be {whole}{thousandths} or {whole} and a fraction: write {whole}{thousandths}, or "
            f"{whole}.{thousandths}0"
        )
    if PLAIN.fullmatch(digits):
        return float(digits.replace(",", "."))
    if not GROUPED.fullmatch(digits):
        raise ValueError(f"'{text[:50]}' is no number such as 20, -12.5 or 1250")
    decimal = max(digits.rfind(","), digits.rfind("."))
    if digits.count(digits[decimal]) > 1 or {",", "."} - set(digits):  # no decimals
        return float(re.sub("[.,]", "", digits))
    return float(f"{re.sub('[.,]', '', digits[:decimal])}.{digits[decimal + 1 :]}")


def entered(value: float) -> str:
    """Write a number into a form so that ``read_number`` reads it back.

    >>> entered(20.0), entered(1.234)
    ('20', '1.2340')
    """
    text = f"{value:.15f}".rstrip("0").rstrip(".") if abs(value) < 1 else f"{value:.15g}"
    return f"{text}0" if EITHER.fullmatch(text) else text
