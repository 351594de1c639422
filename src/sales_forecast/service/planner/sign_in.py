"""How browsers sign in with an API key, and out again."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from sales_forecast.service.auth import CHALLENGE, WRONG_KEY
from sales_forecast.service.dependencies import admit, client_address, service_of
from sales_forecast.service.planner.browsers import (
    HEADERS,
    SIGN_IN,
    find_session,
    own_page,
    session_cookie,
)
from sales_forecast.service.planner.forms import read_form
from sales_forecast.service.planner.frame import Page, in_frame, problem_page
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.sessions import HOURS

router = APIRouter(prefix="/planner", include_in_schema=False)


@router.get("/sign-in")
async def read_sign_in(request: Request) -> Response:
    """Show the form that asks for an API key."""
    return HTMLResponse(_form(request, request.query_params.get("next", "")), headers=HEADERS)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Give a browser a cookie for the API key that it has sent."""
    service, wanted = service_of(request), ""
    try:
        fields = (await read_form(request)).fields
        wanted = fields.get("next", "")
        key = await service.authenticator.find(fields.get("key", ""), client_address(request))
        cookie = await service.sessions.start(key)
        if cookie is None:
            raise ProblemError(401, WRONG_KEY, headers=CHALLENGE)
        await admit(request, key, "read")
    except ProblemError as problem:
        page = _form(request, wanted, problem.detail)
        return HTMLResponse(page, problem.status, HEADERS | problem.headers)
    response = RedirectResponse(own_page(wanted), 303, HEADERS)
    name, secure = session_cookie(request)
    response.set_cookie(
        name,
        cookie,
        max_age=HOURS * 3600,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Take the cookie away from the browser."""
    session = None
    try:
        session = await find_session(request)
        await read_form(request, session)
    except ProblemError as problem:
        return problem_page(request, session, problem)
    response = RedirectResponse(SIGN_IN, 303, HEADERS)
    name, secure = session_cookie(request)
    response.delete_cookie(name, "/", secure=secure, httponly=True, samesite="strict")
    return response


def _form(request: Request, wanted: str, problem: str = "") -> str:
    content = {"hours": HOURS, "next": own_page(wanted), "problem": problem}
    return in_frame(Page("sign_in.html.jinja", "Sign in", "", content), None, None, request)
