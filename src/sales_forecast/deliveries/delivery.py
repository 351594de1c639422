"""A delivery, what was found in it, and what that means for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from sales_forecast.errors import InputError
from sales_forecast.retailers import DEFAULT_RETAILER

ID_DIGITS = 12

Severity = Literal["note", "hold", "refuse"]
State = Literal["accepted", "held", "refused"]

BY_RULE = "checks"
"""Who has decided where no person has."""


class DeliveryParams(BaseModel, frozen=True, extra="forbid"):
    """When a delivery is held; null never holds for that reason. Rates of false alarms: docs/weekly.md."""

    department_within_times: float | None = Field(default=3.0, gt=1)
    """The median store may sell so many times more or less in a new week than was forecast."""

    unusual_above: float | None = Field(default=6.0, gt=0)
    """Robust standard deviations above which such a median is noted; does not hold."""

    unit_jump_times: float | None = Field(default=8.0, gt=1)
    """The median series of a department may sell so many times more or less than both in the weeks before and
    in the same week of last year."""

    stores_there_at_least: float | None = Field(default=0.9, ge=0, le=1)
    """Share of the usual number of stores that must have turnover in a new week."""

    silent_series_at_most: float | None = Field(default=0.6, ge=0, le=1)
    """Share of a department's series that sold both in the weeks before and in the same week of last year,
    and that may sell nothing, or have no row, in a new week. Fewer than 20 series that sell less than a tenth
    of the department's mean week are no reason to hold: off season most of them are silent by chance."""

    restated_at_most: float | None = Field(default=0.1, ge=0, le=1)
    """Share of the known values that a delivery may change."""

    missing_at_most: float | None = Field(default=0.05, ge=0, le=1)
    """Share of the known values that a delivery may lack."""


class Finding(BaseModel, frozen=True, extra="forbid"):
    """What a check has found."""

    check: str
    """Name of the check, such as ``older delivery``."""

    severity: Severity
    text: str
    """What, where, how many, and an example."""


class DeliveredFile(BaseModel, frozen=True, extra="forbid"):
    """A file of a delivery."""

    path: str
    """Below the folder of the delivery."""

    sha256: str


class HeldError(InputError):
    """A person must look at a delivery before anything uses it.

    Args:
        message: What was found, and what to do.
        delivery: The delivery.
    """

    def __init__(self, message: str, delivery: Delivery) -> None:
        super().__init__(message)
        self.delivery = delivery


class Delivery(BaseModel, frozen=True, extra="forbid"):
    """Files that came together, and what was found in them."""

    id: str
    """The same for the same files."""

    folder: str
    retailer: str = DEFAULT_RETAILER
    last_week: date | None = None
    files: dict[str, DeliveredFile]
    findings: tuple[Finding, ...] = ()
    state: State

    def stop_if_held(self) -> None:
        """Stop what would use it.

        Raises:
            HeldError: It is held.
        """
        if self.state == "accepted":
            return
        found = "; ".join(finding.text for finding in self.findings if finding.severity != "note")
        raise HeldError(
            f"delivery {self.id} is {self.state}, and what serves goes on as it was: {found}. Nothing is "
            "fitted or published. Mend the files and deliver them again; or, if they are right: "
            f"sales-forecast deliveries accept {self.id} --why ...",
            self,
        )


def delivered_files(hashes: Mapping[str, str], paths: Mapping[str, str | None]) -> dict[str, DeliveredFile]:
    """Name the files of a delivery.

    Args:
        hashes: Short name -> SHA-256.
        paths: Short name -> path below the folder of the delivery; None for what the retailer does not have.
    """
    return {
        name: DeliveredFile(path=paths[name] or "", sha256=hashes[name]) for name in hashes if paths.get(name)
    }


def delivery_id(files: Mapping[str, DeliveredFile]) -> str:
    """Name a delivery after the content of its files."""
    words = [f"{name} {file.sha256}" for name, file in sorted(files.items())]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:ID_DIGITS]


def state_after(findings: Iterable[Finding]) -> State:
    """What the checks mean for a delivery: the most severe finding decides."""
    severities = {finding.severity for finding in findings}
    if "refuse" in severities:
        return "refused"
    return "held" if "hold" in severities else "accepted"
