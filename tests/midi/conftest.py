import pytest

from tests.midi.files import bundle_files


@pytest.fixture(scope="session")
def bundle(shared) -> list[bytes]:
    return bundle_files(shared)
