"""The note of an override that is not stored yet: the browser keeps it, as addresses are in many logs."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from fastapi import Request, Response

from sales_forecast.planning.proposals import LONGEST_NOTE
from sales_forecast.service.planner.browsers import session_cookie

COOKIE, PATH = "sales_forecast_note", "/planner/overrides"

SECONDS = 15 * 60


def keep_note(request: Request, response: Response, once: str, note: str) -> None:
    """Let the browser keep a note for the pages of overrides.

    Args:
        request: Request that is answered.
        response: Its answer.
        once: Draft that the note belongs to.
        note: What was entered; of one that is too long, as much as tells so.
    """
    text = urlsafe_b64encode(note[: LONGEST_NOTE + 1].encode()).decode()
    _, secure = session_cookie(request)
    response.set_cookie(
        COOKIE,
        f"{once}.{text}",
        max_age=SECONDS,
        path=PATH,
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def kept_note(cookies: Mapping[str, str], once: str) -> str:
    """Return the note of a draft; empty if the browser keeps none of it."""
    draft, _, text = cookies.get(COOKIE, "").partition(".")
    if not once or draft != once:
        return ""
    try:
        return urlsafe_b64decode(text).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
