"""Live predictions of turnover: by the champion, or the challenger where an experiment is on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date

import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.arms import Arm, Predictions
from sales_forecast.service.dependencies import AService, Predictor, Service, answer_of
from sales_forecast.service.predictor import ask
from sales_forecast.service.problems import ProblemError, documented
from sales_forecast.service.schemas.requests import Series, TurnoverRequest
from sales_forecast.service.schemas.responses import TurnoverResponse
from sales_forecast.storage.audit import Answer
from sales_forecast.storage.keys import Caller

logger = logging.getLogger(__name__)

router = APIRouter()


@router.post("/v1/turnover/predict", response_model=TurnoverResponse, responses=documented(404, 409))
async def predict(
    request: Request, caller: Predictor, service: AService, question: TurnoverRequest
) -> Response:
    """Forecast up to 1,000 series, with recent weeks, new stores or plans of the caller's own."""
    said = await answer(request, caller, service, question.series)
    model = service.needed("turnover").model_name
    content = {"request_id": request.state.request_id, "model": model, "predictions": said}
    return Response(orjson.dumps(content), media_type="application/json")


async def answer(
    request: Request, caller: Caller, service: Service, series: list[Series], week: date | None = None
) -> Predictions:
    """Ask each arm about its stores, and put question and answers on record.

    Args:
        request: For its id.
        caller: Who asks.
        service: Models and audit writer.
        series: What is asked about.
        week: Only this one; all weeks ahead, if it is None.

    Returns:
        All weeks of all series, in the order asked.

    Raises:
        ProblemError: A store, department or week is unknown, or does not go with what the model knows.
    """
    _refuse_twice(series)
    said, records = await run_in_threadpool(_ask_arms, request, caller, service, series, week)
    await service.audit_writer.record(records)
    return said


def _ask_arms(
    request: Request, caller: Caller, service: Service, series: list[Series], week: date | None
) -> tuple[Predictions, list[Answer]]:
    """What each arm says about its stores, in the order asked, and what goes on record."""
    answers: dict[int, Predictions] = {}
    records: list[Answer] = []
    for arm, other, mine in _split(service, series):
        asked = [series[position] for position in mine]
        said = ask(arm, asked, week, mine)
        answers |= dict(zip(mine, said, strict=True))
        question = TurnoverRequest(series=asked).model_dump(mode="json", exclude_defaults=True)
        if week is not None:
            question["week"] = week.isoformat()
        other_said = _also(other, asked, week, mine)
        model = (arm.model_name, arm.version)
        records.append(answer_of(request, caller, arm.name, model, question, said, other_said))
    return [each for position in range(len(series)) for each in answers[position]], records


def _split(service: Service, series: list[Series]) -> Iterator[tuple[Arm, Arm | None, list[int]]]:
    """Each arm, the other one, and the positions of the series that are its own; by store."""
    champion, challenger = service.needed("turnover"), service.model_manager.challenger()
    challengers = [
        challenger is not None and service.model_manager.is_challengers(one.store) for one in series
    ]
    for arm, other, its_turn in ((champion, challenger, False), (challenger, champion, True)):
        mine = [position for position, is_its in enumerate(challengers) if is_its is its_turn]
        if arm is not None and mine:
            yield arm, other, mine


def _also(
    other: Arm | None, series: list[Series], week: date | None, positions: list[int]
) -> list[Predictions] | None:
    """What the other arm would have said; None where there is none, or it cannot answer this."""
    try:
        return None if other is None else ask(other, series, week, positions)
    except ProblemError:
        return None
    except Exception:  # the arm that answers must not fail because the other one does
        logger.exception("The other arm failed")
        return None


def _refuse_twice(series: list[Series]) -> None:
    seen: set[tuple[str, str]] = set()
    for position, one in enumerate(series):
        if (one.store, one.department) in seen:
            raise ProblemError(
                409,
                f"store '{one.store}', department '{one.department}' is asked about twice; ask once",
                f"body.series.{position}",
            )
        seen.add((one.store, one.department))
