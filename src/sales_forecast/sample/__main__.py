"""``python -m sales_forecast.sample [FOLDER]``: write the sample files."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sales_forecast.sample.files import write_sample


def main(argv: Sequence[str] | None = None) -> None:
    """Make the sample from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sales_forecast.sample",
        description="Make the synthetic sample data: same seed, same bytes.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("data/01_raw"),
        help="where turnover/ and marketing/ are written (default: %(default)s)",
    )
    for path in write_sample(parser.parse_args(argv).folder):
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
