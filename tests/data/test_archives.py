"""Archives are read file by file and never unpacked, and what they grow to is bounded."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from gandemo.data import archives
from gandemo.data.archives import members, shown
from gandemo.errors import DataError
from gandemo.places import stem

GIGABYTE = 10**9


def contents(source: Path, **bounds: int) -> dict[str, bytes | str]:
    """What each file holds, or the sentence that says why it can't be read."""
    found: dict[str, bytes | str] = {}
    for name, read in members(source, **bounds):
        try:
            found[name] = read()
        except DataError as error:
            found[name] = str(error)
    return found


def a_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def zeros(length: int) -> bytes:
    """Zeros, deflated: the same block again and again, since to deflate 10 GB takes a minute."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + block * (length // 2**20 - 1) + b"\x03\x00"


def bomb(path: Path, *, length: int, says: int) -> Path:
    """A zip of one file of zeros, which may lie about its length."""
    packed, name = zeros(length), b"zeros.png"
    wide = struct.pack("<HHQQ", 1, 16, says, len(packed)) if says > 0xFFFFFFFE else b""
    sizes = (0xFFFFFFFF, 0xFFFFFFFF) if wide else (len(packed), says)
    common = struct.pack("<HHHHHIIIHH", 45, 0, 8, 0, 33, 0, *sizes, len(name), len(wide))
    local = b"PK\3\4" + common + name + wide
    entry = b"PK\1\2" + struct.pack("<H", 45) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name + wide
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local) + len(packed), 0)
    path.write_bytes(local + packed + entry + end)
    return path


def test_folders_zips_and_tars_tell_the_same(tmp_path: Path) -> None:
    files = {"a.png": b"one", "deep/b.png": b"two"}
    (tmp_path / "f" / "deep").mkdir(parents=True)
    with tarfile.open(tmp_path / "p.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            (tmp_path / "f" / name).write_bytes(content)
            archive.add(tmp_path / "f" / name, name)
    for source in (tmp_path / "f", a_zip(tmp_path / "p.ZIP", files), tmp_path / "p.tar.gz"):
        assert archives.is_source(source)
        assert contents(source) == files
    assert not archives.is_source(tmp_path / "f" / "a.png")


def test_hidden_files_and_the_doubles_of_macos_are_left_out(tmp_path: Path) -> None:
    files = {"a.png": b"1", ".DS_Store": b"2", "__MACOSX/._a.png": b"3", "b/.hidden.png": b"4"}
    assert contents(a_zip(tmp_path / "p.zip", files)) == {"a.png": b"1"}


@pytest.mark.parametrize("name", ["../out.png", "a/../../out.png", "/etc/out.png", "c:\\out.png", "..\\out.png"])
def test_a_name_that_leads_out(tmp_path: Path, name: str) -> None:
    found = contents(a_zip(tmp_path / "p.zip", {name: b"x", "in.png": b"y"}))
    assert found.pop("in.png") == b"y"
    (sentence,) = found.values()
    assert str(sentence).endswith("has a name that leads out of the archive")
    assert [path.name for path in tmp_path.rglob("*")] == ["p.zip"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert contents(tmp_path / "p.zip") == {"link.png": "link.png is a link"}


def test_ten_gigabytes_of_zeros_are_never_unpacked(tmp_path: Path) -> None:
    path = bomb(tmp_path / "p.zip", length=10 * GIGABYTE, says=10 * GIGABYTE)
    assert path.stat().st_size < 20_000_000
    assert contents(path) == {"zeros.png": "zeros.png is larger than 256 MB"}


def test_a_bomb_that_lies_about_its_length_is_cut_at_what_it_says(tmp_path: Path) -> None:
    path = bomb(tmp_path / "p.zip", length=GIGABYTE, says=10 * 2**20)
    assert contents(path) == {"zeros.png": "zeros.png is damaged in the archive"}


def test_zeros_below_the_bound_are_told_by_their_growth(tmp_path: Path) -> None:
    path = bomb(tmp_path / "p.zip", length=100 * 2**20, says=100 * 2**20)
    (sentence,) = contents(path).values()
    assert "fold when it is unpacked, as no photo does" in str(sentence)
    assert contents(a_zip(tmp_path / "q.zip", {"flat.bmp": bytes(2**20)})) == {"flat.bmp": bytes(2**20)}


def test_a_tar_that_would_unpack_without_end_is_refused_where_that_begins(tmp_path: Path) -> None:
    """To come past a file in a packed tar, all of it has to be unpacked: the bound is on the whole."""
    with gzip.open(tmp_path / "p.tar.gz", "wb") as file:
        for name, length in (("a.png", 5), ("zeros.bin", 50 * GIGABYTE), ("b.png", 5)):
            member = tarfile.TarInfo(name)
            member.size = length
            file.write(member.tobuf() + bytes(512))
    found = archives.members(tmp_path / "p.tar.gz")
    assert next(found)[0] == "a.png"
    with pytest.raises(DataError, match=r"p\.tar\.gz grows more than 200-fold when it is unpacked"):
        next(found)


def test_a_thousand_files(tmp_path: Path) -> None:
    files = {f"{index:04}.png": b"%d" % index for index in range(1_000)}
    path = a_zip(tmp_path / "p.zip", files)
    assert contents(path) == files
    assert contents(path, most_files=1_000) == files
    with pytest.raises(DataError, match=r"p\.zip holds more than 999 files; split it"):
        contents(path, most_files=999)
    with pytest.raises(DataError, match=r"p\.zip holds more than 20 files"):
        next(members(path, most_files=20))  # told by the length of its list, which is not read


def test_all_files_together_are_bounded(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "p.zip", {name: bytes(range(256)) * 4 for name in ("a.png", "b.png", "c.png")})
    found = contents(path, most_bytes=2_000)
    assert [len(found[name]) for name in ("a.png", "b.png")] == [1024, 1024]
    assert "is more than is read at once" in str(found["c.png"])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.zip", b"", "is no zip that can be read; make it again"),
        ("p.zip", b"text", "is no zip that can be read"),
        ("p.zip", b"PK\5\6" + bytes(18), None),  # empty, and whole
        ("p.zip", b"PK\5\6" + bytes(8) + b"\xff" * 8 + bytes(2), "holds more than"),
        ("p.tar", b"text", "is no tar that can be read"),
        ("p.tgz", b"\x1f\x8b\x08cut", "is no tar that can be read"),
    ],
)
def test_what_is_no_archive(tmp_path: Path, name: str, content: bytes, says: str | None) -> None:
    (tmp_path / name).write_bytes(content)
    if says is None:
        assert contents(tmp_path / name) == {}
        return
    with pytest.raises(DataError, match=says) as caught:
        contents(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_what_is_not_deflated_as_it_should_be(tmp_path: Path) -> None:
    for kind in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", kind) as archive:
            archive.writestr("a.png", bytes(range(256)) * 20)
        raw = bytearray(buffer.getvalue())
        raw[45:60] = bytes(255 - value for value in raw[45:60])
        (tmp_path / "p.zip").write_bytes(raw)
        assert contents(tmp_path / "p.zip") == {"a.png": "a.png is damaged in the archive"}


def test_names_in_messages_are_harmless() -> None:
    assert shown("a\x1b[31m\n.png") == "a�[31m�.png"
    assert len(shown("x" * 5_000)) == 120


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b/photo.one.jpg", "photo.one"),
        ("..\\..\\evil.png", "evil"),
        (".png", "png"),
        ("été 2.jpg", "été 2"),
        ("a\x00b<>.jpg", "a_b_"),
        ("..", "photo"),
        ("x" * 300 + ".png", "x" * 80),
    ],
)
def test_a_stem_is_fit_for_a_file(name: str, expected: str) -> None:
    assert stem(name) == expected
