"""What the deployment gate has decided, read from the model of a training job; and the shares of an endpoint."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from s3_here import BUCKET, NEEDS_S3
from sales_forecast.aws.artifact import Outcome
from sales_forecast.aws.lambda_gate import read_outcome
from sales_forecast.aws.variants import variant_weights
from sales_forecast.errors import InputError

OUTCOME = Outcome(retailer="default", champion="4", challenger=None, promoted=True, challenged=False)


def packed(folder: Path) -> io.BytesIO:
    """``model.tar.gz`` as SageMaker makes it."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as files:
        for path in sorted(folder.rglob("*")):
            files.add(path, path.relative_to(folder), recursive=False)
    archive.seek(0)
    return archive


def test_the_outcome_is_read_from_the_model(tmp_path: Path) -> None:
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion/panel.parquet").write_bytes(bytes(100_000))
    (tmp_path / "outcome.json").write_text(OUTCOME.model_dump_json())
    assert read_outcome(packed(tmp_path)) == OUTCOME


def test_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"")
    with pytest.raises(ValueError, match=r"there is no outcome\.json in the model"):
        read_outcome(packed(tmp_path))


@pytest.mark.parametrize("place", [pytest.param(f"{BUCKET}/models/job/model.tar.gz", marks=NEEDS_S3)])
def test_the_function_reads_the_model_from_s3(tmp_path: Path, bucket: Any, place: str) -> None:
    from sales_forecast.aws.lambda_gate import handler

    (tmp_path / "outcome.json").write_text(OUTCOME.model_dump_json())
    bucket.pipe_file(place, packed(tmp_path).read())
    assert handler({"model_data": f"s3://{place}"}, None) == OUTCOME.model_dump()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_weights_are_the_shares_of_the_experiment(share: float) -> None:
    weights = variant_weights(share)
    assert weights["challenger"] == share
    assert sum(weights.values()) == 1


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(InputError, match="must be from 0 to 1"):
        variant_weights(share)
