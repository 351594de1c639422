"""``sales-forecast``: what is not a pipeline run."""

import typer

from sales_forecast.registry.cli import models

app = typer.Typer(no_args_is_help=True, help="Look after the models of sales_forecast.")
app.add_typer(models, name="models")


@app.callback()
def main() -> None:
    """Look after the models of sales_forecast."""


if __name__ == "__main__":
    app()
