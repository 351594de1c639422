"""``sales-forecast``: what is not a pipeline run."""

import typer

from sales_forecast.registry.cli import models
from sales_forecast.service.cli import ab, serve
from sales_forecast.storage.cli import audit, keys

app = typer.Typer(no_args_is_help=True, help="Serve forecasts, and look after models, keys and the record.")
app.command()(serve)
for group, name in ((models, "models"), (keys, "keys"), (audit, "audit"), (ab, "ab")):
    app.add_typer(group, name=name)


@app.callback()
def main() -> None:
    """Serve forecasts, and look after models, keys and the record of answers."""


if __name__ == "__main__":
    app()
