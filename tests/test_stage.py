from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.params import SplitParams
from datatools.stage import stage


@stage("split", "data_in", "out")
def main(args: Namespace, params: SplitParams) -> None:
    """Write the seed to a file."""
    if params.seed == 13:
        raise DatatoolsError("split: expected another seed. Got 13: take 12.")
    args.out.write_text(f"{params.seed} {args.data_in} {args.state}")


@pytest.fixture
def argv(tmp_path: Path) -> list[str]:
    (tmp_path / "params.yaml").write_text("split:\n  seed: 5\n")
    return ["--data-in", "in", "--out", str(tmp_path / "out"), "--params", str(tmp_path / "params.yaml")]


def test_a_stage_gets_its_paths_its_params_and_the_folder_for_state(argv: list[str], tmp_path: Path):
    assert main(argv) == 0
    assert (tmp_path / "out").read_text() == f"5 in {tmp_path / '.datatools'}"
    assert (tmp_path / ".datatools" / "locks" / "split.lock").exists()


def test_params_yaml_of_the_working_directory_is_the_default(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert main(argv[:4]) == 0
    assert (tmp_path / "out").read_text() == "5 in .datatools"


def test_a_wrong_call_is_one_line_and_exit_code_two(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "params.yaml").write_text("split:\n  seed: 13\n")
    assert main(argv) == 2
    assert capsys.readouterr() == ("", "datatools: error: split: expected another seed. Got 13: take 12.\n")


def test_ctrl_c_is_one_line_and_exit_code_130_after_what_was_open_is_closed(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    @stage("split", "data_in", "out")
    def stopped(args: Namespace, params: SplitParams) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            args.out.write_text("closed")

    assert stopped(argv) == 130
    assert capsys.readouterr() == ("", "datatools: split: interrupted\n")
    assert (tmp_path / "out").read_text() == "closed"
    assert main(argv) == 0, "the lock is free"


def test_bad_params_stop_the_stage_before_it_starts(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "params.yaml").write_text("split:\n  seed: -1\n")
    assert main(argv) == 2
    assert "split.seed must be an int in [0, inf). Got -1 instead." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_error_of_ours_is_not_swallowed(argv: list[str], tmp_path: Path):
    (tmp_path / "out").mkdir()
    with pytest.raises(IsADirectoryError):
        main(argv)


@pytest.mark.parametrize("extra", [["--no-such", "x"], ["stray"]])
def test_an_unknown_argument_ends_with_code_two(argv: list[str], extra: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main([*argv, *extra])
    assert caught.value.code == 2
    assert "python -m stages.split" in capsys.readouterr().err


def test_a_missing_path_ends_with_code_two(argv: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(argv[2:])
    assert caught.value.code == 2
    assert "--data-in" in capsys.readouterr().err
