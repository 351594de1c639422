"""Turnover: the retailer's stores, where they are and whose school holidays they feel."""

from __future__ import annotations

import narwhals as nw
from narwhals.typing import IntoFrame

from sales_forecast.contracts import DataContractError
from sales_forecast.forecasting.panel.calendar import NO_SCHOOL_ZONE, french_school_zones
from sales_forecast.pipelines.data_processing.params import CalendarParams, ReadTurnoverParams
from sales_forecast.pipelines.data_processing.rows import ROW, OnBad, settle, with_row_numbers
from sales_forecast.pipelines.data_processing.rules import Rule, key_rules, rules_for_numbers
from sales_forecast.pipelines.data_processing.values import Frame, as_key, as_label, as_number

DEGREES = {"latitude": 90, "longitude": 180}

FRENCH_POSTCODE = 5
"""Digits of a postcode in France; other countries have others."""

MAX_LABELS = 30
"""So many different texts an attribute of stores may have."""


def read_stores(raw_stores: IntoFrame, read: ReadTurnoverParams, calendar: CalendarParams) -> IntoFrame:
    """Type the store attributes and find each store's school zone by its postcode.

    Args:
        raw_stores: The retailer's table of stores, one row a store; or the table of sales once more, if there
            is none.
        read: File, columns, formats.
        calendar: School zones are known in France.

    Returns:
        ``store, postcode, latitude, longitude, region, zone, school_zone`` and the retailer's own attributes;
        labels as text, degrees as numbers. Missing attributes stay missing. Postcodes are as the file has
        them; French ones get back the zeros that a spreadsheet ate.

    Raises:
        DataContractError: A store is missing or listed twice, a coordinate is no number in range, or a text
            attribute has too many values.
    """
    columns, file = read.columns.stores, read.files.stores
    frame = with_row_numbers(raw_stores, columns)
    if file == read.files.sales:
        frame = frame.filter(nw.col(ROW) == nw.col(ROW).min().over("store"))
    numbers = [name for name, kind in read.attributes.items() if kind == "number"]
    rules = [
        *key_rules(frame, ["store"]),
        *(rule for name in DEGREES if name in columns for rule in _degree_rules(frame, name)),
        *(rule for name in numbers for rule in rules_for_numbers(frame, name, required=False)),
    ]
    good, _ = settle(frame, rules, keys=["store"], file=file, columns=columns, on_bad=OnBad())
    labels = [name for name, kind in read.attributes.items() if kind == "text"]
    _refuse_too_many_values(good, labels, read)
    stores = good.select(
        as_key(good, "store"),
        *(_label_or_none(good, name) for name in ("postcode", "region", "zone")),
        *(as_number(good, name) if name in columns else _none(nw.Float64(), name) for name in DEGREES),
        *(as_number(good, name) for name in numbers),
        *(as_label(good, name) for name in labels),
    ).with_columns(_postcode(calendar.country))
    zone = _school_zone() if calendar.country == "FR" else nw.lit(NO_SCHOOL_ZONE)
    place = ["store", "postcode", *DEGREES, "region", "zone", "school_zone"]
    typed: IntoFrame = (
        stores.with_columns(zone.alias("school_zone")).select(*place, *read.attributes).to_native()
    )
    return typed


def _none(dtype: nw.dtypes.DType, name: str) -> nw.Expr:
    return nw.lit(None).cast(dtype).alias(name)


def _label_or_none(frame: Frame, name: str) -> nw.Expr:
    known = name in frame.collect_schema().names()
    return as_label(frame, name).alias(name) if known else _none(nw.String(), name)


def _postcode(country: str) -> nw.Expr:
    """The column as text; a blank elsewhere in it may have made 59000 a 59000.0 before it was a file."""
    postcode = nw.col("postcode").str.replace_all(r"\.0$", "")
    return postcode.str.zfill(FRENCH_POSTCODE) if country == "FR" else postcode


def _refuse_too_many_values(frame: Frame, labels: list[str], read: ReadTurnoverParams) -> None:
    for name in labels:
        values = frame.lazy().select(as_label(frame, name)).drop_nulls().unique().collect()
        count = len(values.filter(nw.col(name) != ""))
        if count > MAX_LABELS:
            raise DataContractError(
                f"{read.files.stores}: column '{read.columns.stores[name]}' has {count} different values; as "
                f"turnover.read.attributes.{name}: text it may have {MAX_LABELS}, as each is learnt apart. "
                "Group them, or leave the attribute out."
            )


def _degree_rules(frame: Frame, column: str) -> list[Rule]:
    limit = DEGREES[column]
    rules = rules_for_numbers(frame, column, required=False)
    if frame.collect_schema()[column].is_numeric():
        beyond = nw.col(column).abs() > limit
        rules.append(Rule(column, f"are not between -{limit} and {limit} degrees", beyond))
    return rules


def _school_zone() -> nw.Expr:
    departments: dict[str, list[str]] = {}
    for department, zone in french_school_zones().items():
        departments.setdefault(zone, []).append(department)
    found = nw.lit(NO_SCHOOL_ZONE)
    for zone, members in departments.items():
        here = nw.col("postcode").str.slice(0, 2).is_in(members)
        found = nw.when(here).then(nw.lit(zone)).otherwise(found)
    return found
