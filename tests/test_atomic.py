"""Files and folders are there completely or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sales_forecast.atomic import whole_file, whole_folder


@contextmanager
def whole_file_in_folder(path: Path) -> Iterator[Path]:
    """A folder of one file."""
    with whole_folder(path.parent) as part:
        part.mkdir()
        yield part / path.name


@pytest.mark.parametrize("whole", [whole_file, whole_file_in_folder])
def test_the_new_one_takes_the_place_of_the_old_one_and_leaves_nothing_else(whole, tmp_path: Path) -> None:
    path = tmp_path / "there" / "table.txt"
    for text in ("old", "new"):
        with whole(path) as part:
            assert part != path
            part.write_text(text)
        assert path.read_text() == text
    assert list(tmp_path.rglob("*")) == [path.parent, path]


@pytest.mark.parametrize("whole", [whole_file, whole_file_in_folder])
def test_what_fails_half_way_leaves_the_old_one(whole, tmp_path: Path) -> None:
    path = tmp_path / "there" / "table.txt"
    with whole(path) as part:
        part.write_text("old")

    def fill_the_disk() -> None:
        with whole(path) as part:
            part.write_text("ha")
            raise ValueError("the disk is full")

    with pytest.raises(ValueError, match="disk is full"):
        fill_the_disk()
    assert path.read_text() == "old"
    assert list(tmp_path.rglob("*")) == [path.parent, path]


def test_a_folder_that_cannot_take_the_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    path.mkdir()
    rename = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".part"):
            raise PermissionError(13, "not allowed")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError), whole_folder(path) as part:
        part.mkdir()
    assert list(tmp_path.iterdir()) == [path]
