"""What ``sales-forecast models`` shows of a registered model, as tables."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.table import Table

from sales_forecast.registry.store import Registry

SHOWN_TAGS = ("data_version", "decision")


def versions_table(registry: Registry) -> Table:
    """All versions, newest first."""
    table = Table("version", "serves", "made", "data", "decision", title=registry.name)
    aliases = registry.aliases()
    for found in registry.versions():
        table.add_row(
            str(found.version),
            ", ".join(aliases.get(str(found.version), ())),
            made_at(found.creation_timestamp),
            *(found.tags.get(name, "") for name in SHOWN_TAGS),
        )
    return table


def history_table(registry: Registry) -> Table:
    """Every change of the champion, oldest first."""
    table = Table("when", "what", "version", "before", "who", "why", title="Changes of the champion")
    champion = registry.champion()
    events = registry.history()
    then = [event.previous for event in events[1:]] + [str(champion.version) if champion else None]
    for event, served_then in zip(events, then, strict=True):
        happened = event.version == served_then
        what = event.action if happened else f"{event.action}, interrupted"
        table.add_row(event.when, what, event.version, event.previous or "-", event.who, event.why)
    return table


def signings_table(registry: Registry) -> Table | None:
    """Every version that somebody has vouched for, oldest first; None if there is none."""
    table = Table("when", "version", "who", "why", title="Signed by hand")
    for event in registry.signings():
        table.add_row(event.when, event.version, event.who, event.why)
    return table if table.row_count else None


def made_at(milliseconds: int) -> str:
    """Time at which a version was made, UTC."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}"
