"""What in somebody's table could be read in two ways: it is read right or asked about, and never silently otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.data import TableOptions, TablePreview, look_at
from engine.data.table import read_table
from engine.errors import DataError


def looked(folder: Path, text: str, options: TableOptions | None = None) -> TablePreview:
    path = folder / "a.csv"
    path.write_text(text)
    found = look_at(path, options or TableOptions())
    assert isinstance(found, TablePreview)
    return found


def values(of: TablePreview, name: str) -> list[float]:
    table = read_table(of.path, of.options)
    read = table.contents[table.names.index(name)].values
    assert read is not None
    return [float(one) for one in np.asarray(read)]


# -- line breaks in quotes --------------------------------------------------------------------------------------------


def test_a_line_break_in_quotes_makes_no_second_number(tmp_path: Path) -> None:
    found = looked(tmp_path, 'a,b\n"1\n2",2\n3,3\n4,4\n')
    assert found.column("a").problem.startswith("'a.csv', line 2, column 1 (a): '1 2' is no number")
    assert values(found, "b") == [2.0, 3.0, 4.0]
    assert looked(tmp_path, 'a,b\n"1\n2",2\n"3\n4",3\n').column("a").kind == "text"
    assert values(looked(tmp_path, 'a,b\n"1\n",2\n"\n4",3\n'), "a") == [1.0, 4.0], "a break beside it is white space"
