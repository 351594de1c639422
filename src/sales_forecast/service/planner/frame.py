"""The way of every page: who asks, may they, what do they see, and that it is on record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool

from sales_forecast.reporting.live import PLANNER, script_addresses
from sales_forecast.service.dependencies import Service, admit, service_of
from sales_forecast.service.planner.age import old_data_told
from sales_forecast.service.planner.browsers import (
    HEADERS,
    PAGES,
    find_session,
    sign_in_address,
    sign_in_first,
)
from sales_forecast.service.planner.forms import Upload, read_form
from sales_forecast.service.planner.templating import render
from sales_forecast.service.problems import ProblemError, problem_of_database, title_of
from sales_forecast.service.recording import record_stored_read
from sales_forecast.service.sessions import Session
from sales_forecast.storage.keys import Scope
from sales_forecast.storage.queries import Run

NAVIGATION = {
    "/planner": "This week",
    "/planner/stores": "Stores",
    "/planner/staffing": "Staffing",
    "/planner/overrides": "Overrides",
    "/planner/what-if": "What if",
    "/planner/accuracy": "How right",
}
"""Pages that every other page leads to."""

TOLD_IF_OLD = ("/planner", "/planner/stores", "/planner/staffing", "/planner/overrides")
"""Pages whose numbers are about the coming weeks: they say so if these are over."""

LONGEST_FIELD = 200

SIGNED_OUT = "signed_out"
"""Field of an address: a form was sent by somebody who was signed out, and nothing was stored."""


@dataclass(frozen=True)
class Visit:
    """One request for a page.

    Args:
        request: The request.
        service: The service.
        session: Who asks.
        run: Newest publication of turnover.
        query: Fields of the query or of the form, without empty ones.
        files: Files that came with the form.
    """

    request: Request
    service: Service
    session: Session
    run: Run
    query: Mapping[str, str]
    files: Mapping[str, Upload] = field(default_factory=dict)

    @property
    def may_plan(self) -> bool:
        """Whether the key may change the plan of its stores."""
        return "plan" in self.session.key.scopes


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Args:
        template: Name of its template.
        title: Its heading.
        place: Address in ``NAVIGATION`` that it belongs to.
        content: What the template needs.
        charts: Whether it has charts.
        status: HTTP status.
    """

    template: str
    title: str
    place: str
    content: Mapping[str, object] = field(default_factory=dict)
    charts: bool = False
    status: int = 200


Build = Callable[[Visit], Page]
"""Collects what a page shows; runs in a thread."""

Prepare = Callable[[Visit], Awaitable[bool]]
"""Counts what a page costs, and tells whether it is a long computation."""

Answer = Callable[[Visit], Awaitable[Response]]

Act = Callable[[Visit], Awaitable[Page | str | Response]]
"""Does what a form asks for; returns a page, or the address of one that says what happened."""

ShowAgain = Callable[[Request, Mapping[str, str]], Response]
"""Leads to the page that shows what was entered into the fields of a form, and stores nothing."""


async def show(request: Request, build: Build, prepare: Prepare | None = None) -> Response:
    """Show a page to a browser that is signed in; count it, and write to the audit log that it was read.

    Args:
        request: Request for the page.
        build: Collects what the page shows.
        prepare: Counts what the page costs beside the request; None for nothing.
    """

    async def answer(visit: Visit) -> Response:
        def built() -> tuple[int, str]:
            return _render(build(visit), visit)

        if prepare is not None and await prepare(visit):
            status, html = await visit.service.computations.run(visit.session.key.key_id, built)
        else:
            status, html = await run_in_threadpool(built)
        model = (visit.run.model_name, visit.run.model_version)
        await record_stored_read(request, visit.session.key, model, visit.query, {"run": visit.run.id})
        return HTMLResponse(html, status, HEADERS)

    return await receive(request, "read", answer)


def _show_page(request: Request, _: Mapping[str, str]) -> Response:
    return led_to(request.url.path)


async def act(request: Request, scope: Scope, do: Act, show_again: ShowAgain = _show_page) -> Response:
    """Do what a form asks for.

    Args:
        request: Request with the form.
        scope: Scope that the key needs, as for the same by the API.
        do: Does it, and writes to the audit log that it was done.
        show_again: Leads to the page with what was entered, if the browser has been signed out meanwhile.
    """

    async def answer(visit: Visit) -> Response:
        done = await do(visit)
        if isinstance(done, Response):
            return done
        if isinstance(done, str):
            return led_to(done)
        status, html = await run_in_threadpool(_render, done, visit)
        return HTMLResponse(html, status, HEADERS)

    return await receive(request, scope, answer, show_again)


def led_to(address: str) -> Response:
    """Lead a browser to another page; the way back then leads past the form that was sent."""
    return RedirectResponse(address, 303, HEADERS)


async def receive(
    request: Request, scope: Scope, answer: Answer, show_again: ShowAgain = _show_page
) -> Response:
    """Answer a browser: lead it to the form to sign in if it must, and show problems as pages.

    Args:
        request: Request that is answered.
        scope: Scope that the key needs.
        answer: Answers it.
        show_again: See ``act``.
    """
    session = None
    try:
        session = await find_session(request)
        if session is None and request.method == "POST":
            return await _sign_in_again(request, show_again)
        if session is None:
            return sign_in_first(request)
        await admit(request, session.key, scope)
        service, files = service_of(request), dict[str, Upload]()
        if request.method == "POST":
            form = await read_form(request, session)
            query, files = {name: value for name, value in form.fields.items() if value}, dict(form.files)
        else:
            query = fields_of(request)
        run = await service.cache.newest("turnover", None)
        async with service.page_turns.of(session.key.key_id):
            return await answer(Visit(request, service, session, run, query, files))
    except ProblemError as problem:
        return problem_page(request, session, problem)
    except (DBAPIError, PoolTimeout) as error:
        return problem_page(request, session, problem_of_database(error))


async def _sign_in_again(request: Request, show_again: ShowAgain) -> Response:
    """Lead a browser that was signed out to the form to sign in, and back to what it has entered."""
    answer = show_again(request, (await read_form(request)).fields)
    page = answer.headers["Location"]
    answer.headers["Location"] = sign_in_address(f"{page}{'&' if '?' in page else '?'}{SIGNED_OUT}=yes")
    return answer


def fields_of(request: Request) -> dict[str, str]:
    """Return the fields of the query that hold something.

    Raises:
        ProblemError: One is longer than any label, or has a character that no label has.
    """
    fields = {name: value.strip() for name, value in request.query_params.items() if value.strip()}
    for name, value in fields.items():
        if len(value) > LONGEST_FIELD or "\x00" in value:  # PostgreSQL cannot compare with this character
            raise ProblemError(404, f"nothing is called like the '{name[:LONGEST_FIELD]}' of this address")
    return fields


async def missing_page(request: Request, problem: ProblemError) -> Response | None:
    """Tell a person that an address is wrong; None where it is none of the pages.

    Args:
        request: Request for it.
        problem: Its status, and headers such as the methods that are allowed.
    """
    if not request.url.path.startswith(f"{PAGES}/"):
        return None
    detail = "there is no page at this address; choose one of those above, or begin with this week"
    try:
        session = await find_session(request)
    except ProblemError as other:
        return problem_page(request, None, other)
    except (DBAPIError, PoolTimeout) as error:
        return problem_page(request, None, problem_of_database(error))
    return problem_page(request, session, ProblemError(problem.status, detail, headers=problem.headers))


def problem_page(request: Request, session: Session | None, problem: ProblemError) -> Response:
    """Tell a person what is wrong, and what to do."""
    page = Page("problem.html.jinja", title_of(problem.status), "", {"problem": problem})
    html = in_frame(page, session, None, request)
    return HTMLResponse(html, problem.status, HEADERS | problem.headers)


def in_frame(page: Page, session: Session | None, run: Run | None, request: Request) -> str:
    """Render a page with what all pages have.

    Args:
        page: What it shows.
        session: Who is signed in; None for nobody.
        run: Publication that the page is about; None for none.
        request: Request that is answered.
    """
    return render(
        page.template,
        **page.content,
        page=page,
        session=session,
        run=run,
        old=_old_data(page, run, request),
        request_id=request.state.request_id,
        navigation=NAVIGATION,
        path=request.url.path,
        was_signed_out=SIGNED_OUT in f"{request.url.query}",
        scripts=script_addresses(PLANNER if page.charts else PLANNER[1:]),
    )


def _old_data(page: Page, run: Run | None, request: Request) -> str:
    if run is None or page.place not in TOLD_IF_OLD:
        return ""
    allowed = service_of(request).settings.forecasts_older_than_days
    return old_data_told(run, datetime.now(UTC).date(), allowed)


def _render(page: Page, visit: Visit) -> tuple[int, str]:
    return page.status, in_frame(page, visit.session, visit.run, visit.request)
