"""How the tests of this folder read a table that they write."""

import pytest

from workflow.scripts.tables.table import read_table


@pytest.fixture
def read(tmp_path):
    """Reads the table that a text, or bytes, would be as a file: (table, notes)."""

    def reader(text: str | bytes, **options):
        path = tmp_path / "t.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_table(path, **options)

    return reader
