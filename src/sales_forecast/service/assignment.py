"""Predicts each series with the arm of its store, and with the other arm for the audit log."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sales_forecast.service.arms import Predictions, TurnoverArm
from sales_forecast.service.dependencies import Service
from sales_forecast.service.predictor import predict_series
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.schemas.requests import Series

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ArmAnswer:
    """What one arm answers, for the audit log.

    Args:
        arm: The arm.
        content: The part of the request that it answers, as JSON.
        predictions: Its predictions, a list for each series.
        other: What the other arm predicts for the same series; None without an experiment.
    """

    arm: TurnoverArm
    content: dict[str, object]
    predictions: list[Predictions]
    other: list[Predictions] | None


def predict_by_arm(
    service: Service,
    series: Sequence[Series],
    week: date | None = None,
    *,
    quantiles: bool = False,
    first: int = 0,
) -> tuple[Predictions, list[ArmAnswer]]:
    """Predict series.

    Args:
        service: Service with the models.
        series: Series to predict.
        week: Week to predict; None for every week ahead.
        quantiles: Whether the predictions contain quantiles.
        first: Position of the first series in the request, for error messages.

    Returns:
        All weeks of all series in the order of the series, and the answer of each arm.

    Raises:
        ProblemError: A store, department or week is unknown, or does not fit the data of the model.
    """
    by_position: dict[int, Predictions] = {}
    answers: list[ArmAnswer] = []
    for arm, other, positions in _split(service, series):
        own, places = [series[position] for position in positions], [first + one for one in positions]
        predictions = predict_series(arm, own, week, places, quantiles=quantiles)
        by_position |= dict(zip(positions, predictions, strict=True))
        content: dict[str, object] = {
            "series": [one.model_dump(mode="json", exclude_defaults=True) for one in own]
        }
        if quantiles:
            content["quantiles"] = True
        if week is not None:
            content["week"] = week.isoformat()
        answers.append(ArmAnswer(arm, content, predictions, _predict_other(other, own, week, places)))
    return [row for position in range(len(series)) for row in by_position[position]], answers


def _split(
    service: Service, series: Sequence[Series]
) -> Iterator[tuple[TurnoverArm, TurnoverArm | None, list[int]]]:
    """Split series by the arm of their store: the arm, the other arm, and the positions of its series."""
    champion, challenger = service.turnover_champion(), service.model_manager.challenger()
    if challenger is None:
        yield champion, None, list(range(len(series)))
        return
    by_challenger = [service.model_manager.is_challengers(one.store) for one in series]
    for arm, other, is_challenger in ((champion, challenger, False), (challenger, champion, True)):
        positions = [position for position, found in enumerate(by_challenger) if found is is_challenger]
        if positions:
            yield arm, other, positions


def _predict_other(
    other: TurnoverArm | None, series: Sequence[Series], week: date | None, positions: list[int]
) -> list[Predictions] | None:
    """Predict with the other arm; None if there is none, or if it cannot predict these series."""
    try:
        return None if other is None else predict_series(other, series, week, positions)
    except ProblemError:
        return None
    except Exception:  # an error of the other arm must not affect the response
        logger.exception("The other arm failed")
        return None
