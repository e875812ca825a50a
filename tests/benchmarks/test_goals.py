"""The exit status of benchmarks/validation_quality.py: 1 where a goal is missed."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import validation_quality  # noqa: E402
from quality.board import Clean  # noqa: E402
from quality.false_alarms import CleanScore  # noqa: E402
from quality.measure import Score  # noqa: E402
from quality.seed import Seed  # noqa: E402


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run the script with what would be measured given: planted, found, false alarms among 1,000 annotations."""

    def run(planted: int, found: int, n_alarms: int) -> int:
        clean = Clean("bccd", {}, {"images": [], "annotations": [], "categories": []})
        score = CleanScore("bccd", 100, 1000, Counter({"BOX005": n_alarms} if n_alarms else {}))

        def measure(seed: Seed, *_: object) -> Score:
            return Score(seed, planted, found)

        monkeypatch.setattr(validation_quality, "load_clean", lambda *_: clean)
        monkeypatch.setattr(validation_quality, "measure", measure)
        monkeypatch.setattr(validation_quality, "measure_clean", lambda *_: score)
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data/bccd.zip").touch()
        return validation_quality.main(["--shared", str(tmp_path), "--only", "BOX001", "clean"])

    return run


@pytest.mark.parametrize(
    ("planted", "found", "n_alarms", "status"),
    [(200, 200, 0, 0), (200, 198, 1, 0), (200, 197, 0, 1), (150, 150, 0, 1), (0, 0, 0, 1), (200, 200, 2, 1)],
)
def test_a_missed_goal_is_the_exit_status(
    outcome, capsys: pytest.CaptureFixture[str], planted: int, found: int, n_alarms: int, status: int
) -> None:
    assert outcome(planted, found, n_alarms) == status
    out = capsys.readouterr().out
    assert ("A goal is missed." in out) == bool(status)
    assert "Known real faults are left out" in out and "Some defaults were chosen on these sets" in out


def test_a_set_that_is_not_at_hand_is_named(outcome, capsys: pytest.CaptureFixture[str]) -> None:
    outcome(200, 200, 0)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("pylidc: left out, no such package")]) == 1


def test_nothing_to_measure_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as error:
        validation_quality.main(["--shared", str(tmp_path)])
    assert error.value.code not in (0, None)
