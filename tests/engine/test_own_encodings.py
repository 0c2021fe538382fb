"""Texts and tables in older encodings: the sentence names what it may be, never what it cannot be, and what somebody
chooses is what is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_data import is_one_sentence

from engine.data import (
    SequencesChoices,
    TableOptions,
    TablePreview,
    TextChoices,
    TextPreview,
    import_sequences,
    import_text,
    look_at,
)
from engine.data.decoding import ENCODINGS, readable
from engine.errors import DataError
from engine.spec import Split
from engine.tasks import sequences, text

GERMAN = "Größe;Ort\n1,5;Köln\n2,5;Münster\n"
WORDS = {
    "windows-1250": "Łódź",
    "windows-1251": "город",
    "koi8-r": "город",
    "windows-1253": "πόλη",
    "windows-1254": "şehir",
    "shift-jis": "町",
    "gb18030": "城",
    "big5": "城",
    "euc-kr": "도시",
}
RUSSIAN = "Это проверка кодировки\n" * 20
POLISH = "wartość;miasto\n1,5;Łódź\n2,5;Gdańsk\n"


def refused(folder: Path, content: bytes, name: str = "a.txt", **options: Any) -> str:
    (folder / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        look_at(folder / name, TableOptions(**options))
    assert is_one_sentence(str(caught.value))
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
@pytest.mark.parametrize(
    ("content", "codec", "likely", "never"),
    [
        (GERMAN, "windows-1252", "Windows-1252", "Cyrillic"),
        (GERMAN, "latin-1", "Windows-1252", "Cyrillic"),
        (POLISH, "windows-1250", "Windows-1250", "Cyrillic"),
        ("a;b\n1;2\n€;2\n", "windows-1252", "Windows-1252", "Cyrillic"),
        (RUSSIAN, "windows-1251", "Windows-1251", "Western"),
        (RUSSIAN, "koi8-r", "KOI8-R", "Western"),
        ("a;b\n" + "город;1\n" * 9, "windows-1251", "Windows-1251", "Western"),
    ],
)
def test_an_older_encoding_is_named_as_one_that_it_may_be(
    tmp_path: Path, name: str, content: str, codec: str, likely: str, never: str
) -> None:
    sentence = refused(tmp_path, content.encode(codec), name)
    assert "is not UTF-8" in sentence
    assert likely in sentence
    assert never not in sentence
    assert "choose the encoding, or save the file as UTF-8" in sentence


def test_what_cannot_be_is_not_named(tmp_path: Path) -> None:
    """0x81 stands for nothing in Windows-1252."""
    assert "Windows-1252" not in refused(tmp_path, b"a\x81b c\xe4d e\xf6f\n")


def test_random_bytes_are_no_text(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(1, 256, 5000, dtype=np.uint8).tobytes()
    sentence = refused(tmp_path, noise)
    assert sentence.startswith("'a.txt' is no text: ")
    assert "1252" not in sentence
    assert not readable(noise)


@pytest.mark.parametrize("codec", list(ENCODINGS))
def test_a_chosen_encoding_reads_a_table_and_a_text(tmp_path: Path, codec: Any) -> None:
    word = WORDS.get(codec, "Größe")
    (tmp_path / "a.csv").write_bytes(f"{word};b\n1;x\n2;y\n3;x\n4;y\n".encode(codec))
    table = look_at(tmp_path / "a.csv", TableOptions(encoding=codec))
    assert isinstance(table, TablePreview)
    assert table.columns[0].name == word
    assert table.options.encoding == codec
    assert f"the text is {ENCODINGS[codec]}" in table.detected
    task = import_sequences(table, SequencesChoices(split=Split(train=1.0, validation=0.0)))
    assert sequences.labelled(task).labels == ("x", "y")
    (tmp_path / "a.txt").write_bytes(f"{word} {word}\n".encode(codec))
    found = look_at(tmp_path / "a.txt", TableOptions(encoding=codec))
    assert isinstance(found, TextPreview)
    assert (found.codec, found.head.split("\n")[0]) == (codec, f"{word} {word}")
    written = import_text(found, TextChoices(steps=1, split=Split(train=1.0, validation=0.0), batch_size=1))
    assert set(text.prepared(written).labels) >= set(word)


def test_a_chosen_encoding_that_does_not_fit_says_where(tmp_path: Path) -> None:
    sentence = refused(tmp_path, b"ab\nc\x81d\n", encoding="windows-1252")
    assert sentence == (
        "'a.txt', line 2, column 2 (byte 4 from 0): the byte 0x81 does not fit Windows-1252 (Western); choose another "
        "encoding, or save the file as UTF-8."
    )
    assert "encoding is 'ebcdic'; utf-8" in refused(tmp_path, b"ab\n", encoding="ebcdic")


def test_bare_utf_16_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(GERMAN.encode("utf-16-le"))
    found = look_at(tmp_path / "a.txt", TableOptions(encoding="utf-16-le"))
    assert isinstance(found, TextPreview)
    assert found.head.startswith("Größe")


def test_what_does_not_fit_can_still_be_shown() -> None:
    written = "Köln\r\nBonn".encode("latin-1")
    utf8, western = readable(written), readable(written, "windows-1252")
    assert utf8 is not None
    assert western is not None
    assert "".join(utf8(written[at : at + 1]) for at in range(len(written))) == "K\\xf6ln\nBonn"
    assert western(written) == "Köln\nBonn"
