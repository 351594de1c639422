"""Forms that browsers send: their fields and files, and whether one of our pages has sent them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fastapi import Request
from starlette.exceptions import HTTPException

from sales_forecast.service.problems import ProblemError
from sales_forecast.service.sessions import Session

MOST_FIELDS = 100
LONGEST_FIELD = 100_000
"""Bytes of a field without a file: a note of 500 characters may take 6,000."""


@dataclass(frozen=True)
class Upload:
    """A file that came with a form.

    Args:
        name: What the browser calls it.
        content: Its bytes.
    """

    name: str
    content: bytes


@dataclass(frozen=True)
class Form:
    """What a form has sent.

    Args:
        fields: Name -> text, without blanks around it.
        files: Name -> file; fields without a file are left out.
    """

    fields: Mapping[str, str]
    files: Mapping[str, Upload] = field(default_factory=dict)


async def read_form(request: Request, session: Session | None = None) -> Form:
    """Read a form that one of our pages has sent.

    Args:
        request: Request with the form.
        session: Session whose token the form must carry; None for the form to sign in, which has none yet.

    Raises:
        ProblemError: Another site has sent it, or a page of another session; or it is no form of ours.
    """
    if _comes_from_elsewhere(request):
        raise ProblemError(
            403, "this form was sent by another site; open the page here, and send it from there"
        )
    try:
        sent = await request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD)
    except HTTPException as error:
        raise ProblemError(413, f"this form is too long, or cannot be read: {error.detail}") from None
    fields, files = dict[str, str](), dict[str, Upload]()
    for name, value in reversed(sent.multi_items()):  # of several with one name, the first one counts
        if isinstance(value, str):
            fields[name] = value.strip()
        elif value.filename:
            files[name] = Upload(value.filename, await value.read())
    await sent.close()
    if session is not None and not session.has_sent(fields.get("token", "")):
        detail = "this form is of another session; load the page again, and repeat what you have entered"
        raise ProblemError(403, detail)
    return Form(fields, files)


def _comes_from_elsewhere(request: Request) -> bool:
    """Return whether the browser says that another site has sent a form; old browsers say nothing."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    # a proxy may speak TLS for us, so that the scheme is not compared
    return origin is not None and urlsplit(origin).netloc != request.headers.get("Host")
