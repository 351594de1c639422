"""Files and folders by path or URL, on a disk and in object storage."""

from pathlib import Path

import pytest

from sales_forecast.atomic import whole_file, whole_folder
from sales_forecast.data_root import data_root, reachable_root
from sales_forecast.errors import InputError
from sales_forecast.places import (
    exists,
    folder_size,
    list_files,
    local_file,
    local_folder,
    next_to,
    on_disk,
    packed,
    read_text,
    read_texts,
    remove_file,
    remove_folder,
)


@pytest.fixture(params=["disk", "object storage"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return str(tmp_path)
    return str(request.getfixturevalue("object_storage"))


def write(place: str, text: str) -> None:
    with whole_file(place) as part:
        part.write_text(text)


def write_folder(place: str, **files: str) -> None:
    with whole_folder(place) as part:
        for name, text in files.items():
            (part / "deeper").mkdir(parents=True, exist_ok=True)
            (part / "deeper" / name).write_text(text)


def test_a_file_is_there_once_it_is_written_whole(folder: str) -> None:
    place = f"{folder}/tables/panel.txt"
    assert not exists(place)
    with whole_file(place) as part:
        part.write_text("new")
        assert not exists(place)
    assert exists(place)
    with local_file(place) as path:
        assert (path.read_text(), path.name) == ("new", "panel.txt")
    assert list_files(f"{folder}/tables") == [place]


def test_what_fails_half_way_leaves_the_old_file(folder: str) -> None:
    place = f"{folder}/panel.txt"
    write(place, "old")

    def fill_the_disk() -> None:
        with whole_file(place) as part:
            part.write_text("ha")
            raise ValueError("the disk is full")

    with pytest.raises(ValueError, match="disk is full"):
        fill_the_disk()
    assert read_text(place) == "old"
    assert list_files(folder) == [place]


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(folder: str) -> None:
    place = f"{folder}/model"
    write_folder(place, panel="old", stores="old")
    write_folder(place, panel="new")

    def fail() -> None:
        with whole_folder(place) as part:
            part.mkdir()
            raise ValueError("no such type")

    with pytest.raises(ValueError, match="no such type"):
        fail()
    with local_folder(place) as path:
        assert {file.name: file.read_text() for file in path.rglob("*") if file.is_file()} == {"panel": "new"}
    assert exists(packed(place))
    assert folder_size(place) >= len("new")
    assert len(list_files(folder)) == 1


def test_what_is_removed_is_gone_and_what_is_not_there_is_no_error(folder: str) -> None:
    write(f"{folder}/note.txt", "old")
    write_folder(f"{folder}/model", panel="old")
    for _ in range(2):
        remove_file(f"{folder}/note.txt")
    remove_folder(f"{folder}/model")
    assert list_files(folder) == []
    assert list_files(f"{folder}/nowhere") == []


def test_texts_of_a_folder_are_read_by_name(folder: str) -> None:
    assert read_texts(f"{folder}/sections", ".html") == {}
    for name in ("eda.html", "inference.html", "note.txt"):
        write(f"{folder}/sections/{name}", name)
    texts = {"eda": "eda.html", "inference": "inference.html"}
    assert read_texts(f"{folder}/sections", ".html") == texts
    assert read_texts(f"{folder}/sections", ".txt") == {"note": "note.txt"}


def test_what_is_not_there_cannot_be_read(folder: str) -> None:
    with pytest.raises(FileNotFoundError):
        read_text(f"{folder}/nowhere.txt")
    with pytest.raises(FileNotFoundError), local_folder(f"{folder}/nowhere") as path:
        (path / "panel.parquet").read_bytes()


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("data/panel.parquet", Path("data/panel.parquet")),
        ("file:///data/panel.parquet", Path("/data/panel.parquet")),
        (Path("/data"), Path("/data")),
        ("s3://shop/panel.parquet", None),
        ("simplecache::s3://shop/panel.parquet", None),
    ],
)
def test_what_is_on_a_disk_has_a_path(place: str, path: Path | None) -> None:
    assert on_disk(place) == path


def test_a_file_is_named_next_to_another_one() -> None:
    page = next_to("s3://shop/data/report.html", "sections", "eda.html")
    assert page == "s3://shop/data/sections/eda.html"
    assert next_to("report.html", "data_science.html") == "data_science.html"


def test_a_relative_root_is_that_of_the_project_and_a_url_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, object_storage: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert data_root({"data_root": "data"}) == f"{tmp_path}/data"
    assert data_root({"data_root": "/mnt/data/"}) == "/mnt/data"
    assert data_root({"data_root": "s3://shop/data/"}) == "s3://shop/data"
    write(f"{object_storage}/panel.txt", "there")
    assert reachable_root({"data_root": object_storage}) == object_storage


def test_object_storage_without_its_package_is_refused_before_anything_is_done() -> None:
    with pytest.raises(InputError, match=r"abfs://shop/data cannot be opened: .* s3:// needs s3fs"):
        reachable_root({"data_root": "abfs://shop/data"})
