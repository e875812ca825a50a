"""A small sample and what ingest makes of it, once a session: read them, never write to them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from datatools.ingest import Ingested, ingest
from datatools.params import IngestParams
from datatools.samples.registry import make_sample
from tests.command_line import run, run_in  # noqa: F401  fixtures
from tests.project import finished  # noqa: F401  a fixture

N_ASKED = 80

settings.register_profile("no clock", deadline=None)  # no test fails for being slow
settings.load_profile("no clock")


@dataclass(frozen=True)
class SampleFolder:
    """A digits sample on disk: the image folder, its answer key, and the number of images that make_sample told."""

    root: Path
    key: Path
    n_images: int


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleFolder:
    folder = tmp_path_factory.mktemp("sample")
    root, key = folder / "raw", folder / "answer_key.csv"
    return SampleFolder(root, key, make_sample("digits", root, key, seed=0, n_images=N_ASKED))


@pytest.fixture(scope="session")
def ingested(sample: SampleFolder) -> Ingested:
    return ingest(sample.root, IngestParams(group_column="writer"), workers=1)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Tiny tensors: threads would only wait for each other."""
    torch = pytest.importorskip("torch", reason="learning needs the extra 'train'")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
