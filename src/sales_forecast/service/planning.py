"""Making and withdrawing overrides, with the rules of a planner's territory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil

from sqlalchemy import Connection

from sales_forecast.planning.overrides import Correction, Override
from sales_forecast.planning.proposals import (
    ForeignStoresError,
    NotPublishedError,
    Proposal,
    RefusedOverrideError,
    UnknownScopeError,
)
from sales_forecast.service.cache import NEWEST_SECONDS
from sales_forecast.service.dependencies import Service
from sales_forecast.service.idempotency import reused_key
from sales_forecast.service.problems import ProblemError
from sales_forecast.storage import overrides
from sales_forecast.storage.audit import AuditRecord
from sales_forecast.storage.keys import ApiKey
from sales_forecast.storage.ledger import publication
from sales_forecast.storage.override_limits import TooManyOverridesError, refuse_too_many
from sales_forecast.storage.plan import propose_override, regions_of
from sales_forecast.storage.queries import Run, newest_run

NamedRequest = tuple[str, str]
"""What the client calls a request, and the hash of its content."""

ToRecord = Callable[[Override], AuditRecord]
"""Makes the record of an override that is stored or withdrawn."""


def propose_or_find(
    service: Service, key: ApiKey, run: Run, asked: Correction, request: NamedRequest | None = None
) -> tuple[Proposal, Override | None]:
    """Find what an override would change, or the one that the same request has made before; store nothing.

    Args:
        service: Service with the database.
        key: API key of the planner.
        run: The newest publication of turnover.
        asked: What the planner asks for.
        request: Name and hash of the request; None if it does not matter whether it came before.

    Returns:
        What it would change, and None; or what it has changed in the publication that it was made for.

    Raises:
        ProblemError: The override cannot be made, or is about stores that are not the planner's any more.
    """
    made = None
    with service.engine.connect() as connection:
        if request is not None and (known := overrides.find_request(connection, key.key_id, request[0])):
            made, digest = known
            if digest != request[1]:
                raise reused_key(request[0])
            run, asked = publication(connection, made.publication), made.correction
        published = service.published.of(run)
        if made is not None and published.forecasts.empty:
            detail = f"override {made.id} was made for publication {run.id}, whose numbers are removed"
            raise ProblemError(409, f"{detail}; see GET /v1/turnover/overrides")
        try:
            moment = None if made is None else made.made_at
            return propose_override(connection, published, asked, key.territory.has, moment), made
        except RefusedOverrideError as error:
            raise _problem(error, key) from None


def store_override(
    service: Service,
    key: ApiKey,
    run: Run,
    proposal: Proposal,
    to_record: ToRecord,
    request: NamedRequest | None = None,
) -> Override | None:
    """Store an override that was proposed, together with its record.

    Args:
        service: Service with the database.
        key: API key of the planner.
        run: Publication that it was proposed for.
        proposal: What it changes.
        to_record: Makes its record.
        request: Name and hash of the request; None if it does not matter whether it came before.

    Returns:
        The override; None if the same request has made one meanwhile.

    Raises:
        ProblemError: The publication is not the newest any more, or the key has too many overrides.
    """
    first_week, who = service.published.size(run).first_week, (key.key_id, key.name)
    with service.plan_changes.begin() as (connection, records):
        overrides.lock_key(connection, key.key_id)
        if request is not None and overrides.find_request(connection, key.key_id, request[0]):
            return None
        if newest_run(connection, "turnover", retailer=service.retailer) != run:
            detail = f"publication {run.id} is not the newest any more; look at its forecasts, and ask again"
            raise ProblemError(409, detail, headers={"Retry-After": f"{ceil(NEWEST_SECONDS)}"})
        most = service.settings.overrides.max_active_per_key
        try:
            refuse_too_many(connection, service.retailer, first_week, who, 1, most)
        except TooManyOverridesError as error:
            raise ProblemError(409, str(error)) from None
        made = overrides.add(
            *(connection, proposal.correction, proposal.stores),
            retailer=service.retailer,
            publication=run.id,
            who=who,
            now=datetime.now(UTC),
            request=request,
        )
        records.append(to_record(made))
    return made


def withdraw_override(service: Service, key: ApiKey, number: int, why: str, to_record: ToRecord) -> Override:
    """Withdraw an override of the planner's own territory, together with the record of it.

    Args:
        service: Service with the database.
        key: API key of the planner.
        number: Of the override.
        why: In words.
        to_record: Makes the record.

    Raises:
        ProblemError: There is none of that number, it is withdrawn, or it reaches into others' stores.
    """
    by, now = f"{key.name} ({key.key_id})", datetime.now(UTC)
    with service.plan_changes.begin() as (connection, records):
        try:
            found = overrides.find(connection, service.retailer, number)
            refuse_foreign(service, connection, key, found.stores, f"override {number}")
            withdrawn = overrides.withdraw(connection, service.retailer, number, by=by, why=why, now=now)
        except overrides.UnknownOverrideError as error:
            raise ProblemError(404, f"{error}; see GET /v1/turnover/overrides", "path.number") from None
        except overrides.WithdrawnError as error:
            raise ProblemError(409, str(error)) from None
        records.append(to_record(withdrawn))
    return withdrawn


def refuse_foreign(
    service: Service, connection: Connection, key: ApiKey, stores: frozenset[str], what: str
) -> None:
    """Refuse to change what is about stores of others.

    Raises:
        ProblemError: Some of the stores are not the planner's.
    """
    regions = regions_of(connection, service.retailer)
    foreign = sorted(store for store in stores if not key.territory.has(store, regions.get(store)))
    if foreign:
        detail = f"{len(foreign)} of the {len(stores)} stores of {what} are not yours to plan, such as store "
        raise ProblemError(403, f"{detail}{foreign[0]}; yours are {key.territory}")


STATUSES = {UnknownScopeError: 404, ForeignStoresError: 403, NotPublishedError: 409}


def _problem(error: RefusedOverrideError, key: ApiKey) -> ProblemError:
    status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 422)
    yours = f"; yours are {key.territory}" if isinstance(error, ForeignStoresError) else ""
    return ProblemError(status, f"{error}{yours}", None if error.field == "scope" else f"body.{error.field}")
