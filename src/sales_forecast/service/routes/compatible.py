"""The two calls of an earlier prediction system, for tools that were built for it."""

from __future__ import annotations

from fastapi import APIRouter, Request

from sales_forecast.service.answered import SeedAnswer, SeedWeeksAnswer
from sales_forecast.service.asked import SeedQuestion, SeedSeriesQuestion, Series
from sales_forecast.service.dependencies import AService, Predictor
from sales_forecast.service.problems import documented
from sales_forecast.service.routes.live import answer

router = APIRouter()

WEEKS = 8


@router.post("/predict/", responses=documented(404, 409))
def predict_week(
    request: Request, caller: Predictor, service: AService, question: SeedQuestion
) -> SeedAnswer:
    """Forecast one week of a store's department."""
    (found,) = answer(request, caller, service, [_series(question)], question.day_id)
    return SeedAnswer(prediction=found["forecast"])


@router.post("/predict_8_weeks/", responses=documented(404, 409))
def predict_8_weeks(
    request: Request, caller: Predictor, service: AService, question: SeedSeriesQuestion
) -> SeedWeeksAnswer:
    """Forecast the next eight weeks of a store's department."""
    found = answer(request, caller, service, [_series(question)])
    return SeedWeeksAnswer(predictions={each["week"]: each["forecast"] for each in found[:WEEKS]})


def _series(question: SeedQuestion | SeedSeriesQuestion) -> Series:
    return Series(store=question.but_num_business_unit, department=question.dpt_num_department)
