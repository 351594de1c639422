"""Numbers and dates as people read them."""

from __future__ import annotations

from datetime import date, datetime

from markupsafe import Markup

NOTHING = "\N{EN DASH}"
"""Stands where there is no number."""

ALMOST_NOTHING = 0.0005
"""Below half of the last digit that is shown, a change is none."""


def day(moment: date) -> str:
    """Write a date for people.

    >>> day(date(2017, 10, 7))
    '7 Oct 2017'
    """
    return f"{moment.day} {moment:%b %Y}"


def time_tag(moment: date) -> Markup:
    """Write a date for people and machines."""
    iso = moment.date() if isinstance(moment, datetime) else moment
    return Markup('<time datetime="{}">{}</time>').format(iso.isoformat(), day(moment))


def minute(moment: datetime) -> str:
    """Write a time for people, in UTC."""
    return f"{day(moment)}, {moment:%H:%M} UTC"


def money(amount: float | None) -> str:
    """Write an amount in currency units.

    >>> money(12345.6), money(-0.2)
    ('12,346', '0')
    """
    return NOTHING if amount is None else f"{round(amount) + 0:,}"


def signed(amount: float | None) -> str:
    """Write a difference in currency units.

    >>> signed(1200.4), signed(-30.0), signed(0.1)
    ('+1,200', '-30', '0')
    """
    return NOTHING if amount is None else f"{round(amount):+,}" if round(amount) else "0"


def share(ratio: float | None) -> str:
    """Write a ratio in per cent.

    >>> share(0.123)
    '12.3 %'
    """
    return NOTHING if ratio is None else f"{ratio:.1%}".replace("%", " %")


def points(ratio: float | None) -> str:
    """Write a difference of ratios in points of a per cent.

    >>> points(0.0123), points(-0.5)
    ('+1.2', '-50.0')
    """
    return NOTHING if ratio is None else f"{100 * ratio:+.1f}"


def change(ratio: float | None) -> str:
    """Write a relative change in per cent.

    >>> change(0.034), change(-0.5), change(0.0)
    ('+3.4 %', '-50.0 %', 'unchanged')
    """
    if ratio is None:
        return NOTHING
    return "unchanged" if abs(ratio) < ALMOST_NOTHING else f"{ratio:+.1%}".replace("%", " %")


def ratio_of(now: float | None, before: float | None) -> float | None:
    """Return a relative change; None where there was nothing, or where one of them is not known."""
    return now / before - 1 if now is not None and before is not None and before > 0 else None
