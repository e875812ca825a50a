from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer

from datatools.cli.commands import app, narrow
from datatools.dataset import load_dataset, save_dataset
from datatools.findings import Finding
from datatools.fixes.records import load_records
from datatools.ingest import Ingested
from datatools.mutes import load_mutes
from datatools.project import Project
from datatools.samples import registry
from datatools.schema import FINDINGS, FIX_STATUS, QUEUE
from datatools.store import save_table, save_text
from tests.command_line import Run
from tests.conftest import SampleFolder
from tests.finished_runs import finish_run, found, start_project


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project without data, as the working directory."""
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return Project(tmp_path)


@pytest.fixture
def project(empty: Project, ingested: Ingested) -> Project:
    """A project after its first ingest."""
    save_dataset(empty.dataset, ingested.dataset)
    save_table(empty.dataset / "fixes.parquet", ingested.fixes, FIX_STATUS)
    return empty


def a_labelled_image(project: Project) -> tuple[str, str, str]:
    """Path, label and another class."""
    labels = load_dataset(project.dataset).labels
    return labels.index[0], labels.iloc[0], "1" if labels.iloc[0] != "1" else "2"


@pytest.mark.parametrize(
    "argv",
    [
        ["summary"],
        ["fix", "a.png", "--confirm", "--why", "x", "--who", "Ann"],
        ["fixes", "log"],
        ["fixes", "revert", "ab", "--who", "Ann"],
        ["sample", "make", "digits"],
        ["sample", "score"],
    ],
)
def test_outside_a_project_every_command_is_one_line_and_code_two(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str]
):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err == (
        f"datatools: error: {tmp_path}: expected a project with dvc.yaml and params.yaml here or above. "
        "Got none: change into one.\n"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["summary"], "report.json: expected a JSON file. Got no such file: run `dvc repro` first."),
        (["fixes", "log"], "fixes.parquet: expected the table fixes. Got no such file: run `dvc repro` first."),
        (["fixes", "revert", "ab", "--who", "Ann"], "Got 'ab', which 0 have."),
        (["sample", "make", "letters"], "sample must be one of digits. Got 'letters' instead."),
        (["sample", "make", "digits", "--images", "5001"], "images must be in [50, 5000]. Got 5001 instead."),
        (["sample", "score"], "expected the table findings. Got no such file: run `dvc repro` first."),
        (["explain", "XXX999"], "XXX999"),
    ],
)
@pytest.mark.usefixtures("empty")
def test_a_wrong_call_is_one_line_and_code_two(run: Run, argv: list[str], message: str):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("datatools: error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [
        ["no-such-command"],
        ["fix", "a.png"],
        ["fix", "--why", "x"],
        ["sample", "make"],
        ["sample", "make", "digits", "--images", "49"],
        ["sample", "make", "digits", "--seed", "-1"],
        ["fixes", "revert"],
    ],
)
def test_a_call_that_cannot_be_read_ends_with_code_two(run: Run, argv: list[str]):
    code, _, err = run(*argv)
    assert code == 2
    assert "Usage" in err


@pytest.mark.parametrize("argv", [["--help"], ["fix", "--help"], ["fixes", "--help"], ["sample", "--help"]])
def test_help_is_on_stdout(run: Run, argv: list[str]):
    code, out, err = run(*argv)
    assert (code, err) == (0, "")
    assert "Usage" in out


def commands_of(app: typer.Typer) -> dict[str, list[str]]:
    """Name of each command and group -> what can be said to it."""
    found, todo = {}, list(typer.main.get_command(app).commands.items())
    while todo:
        name, command = todo.pop()
        found[name] = [parameter.name for parameter in command.params]
        todo += [(f"{name} {inner}", item) for inner, item in getattr(command, "commands", {}).items()]
    return found


def test_a_call_gets_its_command_alone_and_as_it_is_among_all():
    whole = commands_of(app)
    assert len(whole) > 20
    for name in {name.split()[0] for name in whole}:
        own = {known: parameters for known, parameters in whole.items() if known.split()[0] == name}
        assert commands_of(narrow([name, "--help"])) == commands_of(narrow([name])) == own
    assert "split verify" in whole


@pytest.mark.parametrize("args", [[], ["--help"], ["nonsense"], [""], ["--install-completion", "bash"]])
def test_any_other_call_gets_all_commands(args: list[str]):
    assert narrow(args) is app


def test_checks_and_their_pages_are_listed(run: Run):
    code, out, _ = run("checks")
    assert code == 0
    codes = [line.split()[0] for line in out.splitlines()]
    assert "IMG001" in codes
    assert codes == sorted(codes)
    code, page, _ = run("explain", "IMG001")
    assert code == 0
    assert "IMG001" in page


def test_samples_are_listed(run: Run):
    assert run("sample", "list") == (
        0,
        "digits  5,000 real handwritten digits (MNIST, BSD) on textured canvases, three annotators, planted faults\n",
        "",
    )


def test_a_decision_is_recorded_and_shown_and_taken_back(run: Run, project: Project):
    path, label, other = a_labelled_image(project)
    code, out, err = run("fix", path, "--label", other, "--why", "looked", "--who", " Ann ")
    records, _ = load_records(project.fixes)
    assert (code, err) == (0, "")
    assert [line.split("  ")[1:] for line in out.splitlines()[:-1]] == [
        [record.annotation_id, f"{label} -> {other}"]
        for record in sorted(records, key=lambda r: -r.annotation_id.count("label"))
    ]
    which = ("it", "it") if len(records) == 1 else ("them", "one")
    assert out.splitlines()[-1] == "recorded; `dvc repro` applies {}, `datatools fixes revert ID` takes {} back".format(
        *which
    )
    assert {(record.who, record.why) for record in records} == {("Ann", "looked")}

    code, out, _ = run("fixes", "log")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [[record.id, "pending"] for record in records]

    code, out, _ = run("fixes", "revert", records[0].id, "--who", "Ann")
    made = load_records(project.fixes)[0][-1]
    assert (code, out) == (0, f"{made.id}  reverts {records[0].id}; `dvc repro` applies it\n")
    assert made.why == "reverted"


@pytest.mark.parametrize("flag", ["confirm", "exclude"])
def test_confirm_and_exclude_are_recorded(run: Run, project: Project, flag: str):
    path, _, _ = a_labelled_image(project)
    code, out, _ = run("fix", path, f"--{flag}", "--why", "looked", "--who", "Ann")
    [record], _ = load_records(project.fixes)
    assert (code, record.op) == (0, flag)
    assert out.splitlines()[0] == f"{record.id}  {record.annotation_id or path}  {flag}"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["no.png", "--confirm"], "Got 'no.png', no such image."),
        (
            ["00000.png"],
            "expected one of --label L, --confirm, --exclude, --include, --side S. Got none or several: pass one.",
        ),
        (
            ["00000.png", "--label", "x"],
            "label must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9. Got 'x' instead: a new class comes with",
        ),
    ],
)
def test_a_decision_that_cannot_be_taken_records_nothing(run: Run, project: Project, argv: list[str], message: str):
    code, out, err = run("fix", *argv, "--why", "looked", "--who", "Ann")
    assert (code, out) == (2, "")
    assert message in err
    assert not project.fixes.exists()


def test_a_name_from_git_is_taken_when_none_is_given(
    run: Run, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Rita Reviewer\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    path, _, _ = a_labelled_image(project)
    assert run("fix", path, "--confirm", "--why", "looked", "--who", " ")[0] == 0
    assert load_records(project.fixes)[0][0].who == "Rita Reviewer"


@pytest.mark.parametrize("has_git", [True, False], ids=["no name", "no git"])
def test_without_a_name_nothing_is_recorded(run: Run, project: Project, monkeypatch: pytest.MonkeyPatch, has_git: bool):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    if not has_git:
        monkeypatch.setenv("PATH", "/nonexistent")
    path, _, _ = a_labelled_image(project)
    assert run("fix", path, "--confirm", "--why", "looked") == (
        2,
        "",
        "datatools: error: a fix record needs who decides. Got no git config user.name: set it, or pass --who NAME.\n",
    )
    assert not project.fixes.exists()


def test_a_sample_is_made_once_and_never_overwritten(run: Run, empty: Project):
    code, out, _ = run("sample", "make", "digits", "--images", "50", "--seed", "2")
    n_files = len(list(empty.raw.rglob("*.png")))
    assert (code, out) == (
        0,
        f"{n_files} images in data/raw; the planted faults are listed in data/answer_key.csv\n",
    )
    assert empty.answer_key.exists()
    code, out, err = run("sample", "make", "digits")
    assert (code, out) == (2, "")
    assert "expected an empty or missing folder. Got one with files in it: move them away first." in err
    assert run("sample", "make", "digits", "--if-missing") == (0, "", "")
    assert len(list(empty.raw.rglob("*.png"))) == n_files


def test_if_missing_makes_what_is_missing(run: Run, empty: Project, monkeypatch: pytest.MonkeyPatch):
    made: list[int | None] = []
    monkeypatch.setattr(registry, "make_sample", lambda name, raw, key, seed, n, tick: made.append(n) or 0)
    assert run("sample", "make", "digits", "--if-missing")[0] == 0
    empty.raw.mkdir(parents=True)
    assert run("sample", "make", "digits", "--if-missing", "--images", "60")[0] == 0
    assert made == [None, 60]


def test_paths_are_shown_whole_from_a_folder_beside(run: Run, empty: Project, monkeypatch: pytest.MonkeyPatch):
    (empty.root / "notes").mkdir()
    monkeypatch.chdir(empty.root / "notes")
    monkeypatch.setattr(registry, "make_sample", lambda *_: 3)
    _, out, _ = run("sample", "make", "digits")
    assert out.startswith(f"3 images in {empty.raw};")


def test_a_run_is_scored_against_the_key(run: Run, empty: Project, sample: SampleFolder):
    save_table(empty.findings, FINDINGS.empty(), FINDINGS)
    save_table(empty.model_findings, FINDINGS.empty(), FINDINGS)
    save_table(empty.queue, QUEUE.empty(), QUEUE)
    shutil.copy(sample.key, empty.answer_key)
    code, out, _ = run("sample", "score")
    assert code == 0
    assert out.splitlines()[1].split()[:4] == ["truncated", "IMG004", "2", "0"]


def test_summary_needs_a_report_that_is_json(run: Run, empty: Project):
    save_text(empty.report, "{")
    code, out, err = run("summary")
    assert (code, out) == (2, "")
    assert "report.json: expected JSON. Got: " in err


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project after a run with one error and one warning, as the working directory."""
    project = start_project(tmp_path / "judged")
    tables = [found("BOX001", Finding("swapped", "a.png", "b/1")), found("BOX006", Finding("tiny", "b.png"))]
    monkeypatch.chdir(project.root)
    return finish_run(project, *tables, commit="start")


def test_the_gate_fails_passes_and_counts_only_what_is_new(run: Run, judged: Project):
    code, out, err = run("gate")
    assert (code, err) == (1, "")
    assert out.startswith("failed: 1 error\n  BOX001  error  1  ")
    assert run("gate", "--max-severity", "error") == (
        0,
        "passed: no finding worse than error (of validate)\nnot counted: 2 not worse than error\n",
        "",
    )
    code, out, _ = run("gate", "--against", "HEAD", "--format", "json")
    assert (code, json.loads(out)["counts"]["known"]) == (0, 2)
    assert run("gate", "--format", "github")[1].startswith("::error file=data/raw/a.png,title=BOX001 ")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["gate", "--max-severity", "fatal"], "--max-severity must be one of none, info, warning, error. Got 'fatal'"),
        (["gate", "--against", "nowhere"], "nowhere: expected a Git revision."),
        (["gate", "--format", "xml"], "--format must be one of text, json, github. Got 'xml' instead."),
        (["findings", "--format", "xml"], "--format must be one of text, json. Got 'xml' instead."),
        (["findings", "--code", "XXX999"], "Got 'XXX999' instead."),
        (["findings", "--severity", "fatal"], "--severity must be one of info, warning, error. Got 'fatal' instead."),
        (["mute", "BOX001", "--reason", "x", "--who", "Ann"], "expected --until DATE or --days N. Got none or both"),
        (["mute", "BOX002", "--reason", "x", "--days", "3", "--who", "Ann"], "Got BOX002, which matches none of those"),
    ],
)
@pytest.mark.usefixtures("judged")
def test_a_wrong_call_about_findings_is_one_line_and_code_two(run: Run, argv: list[str], message: str):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("datatools: error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("empty")
def test_without_a_run_the_gate_does_not_pass(run: Run):
    code, out, err = run("gate")
    assert (code, out) == (2, "")
    assert "dvc.lock: expected what `dvc repro` recorded." in err


def test_findings_are_listed_the_worst_first(run: Run, judged: Project):
    code, out, _ = run("findings")
    assert code == 0
    said = [line.split() for line in out.splitlines() if line.strip()]
    assert " ".join(said[0]) == "1 error, 1 warning"
    assert [line[:2] for line in said[1:3]] == [["BOX001", "error"], ["BOX006", "warning"]]
    assert "What to do" in out
    assert "BOX006" not in run("findings", "--severity", "error")[1]
    assert "BOX001" not in run("findings", "--path", "b*")[1]
    assert "and 1 more: --limit N" in run("findings", "--limit", "1")[1]
    listed = json.loads(run("findings", "--code", "box006", "--format", "json")[1])
    assert [(row["path"], row["message"], row["muted"]) for row in listed] == [("b.png", "tiny", "")]
    (judged.root / "params.yaml").write_text("ingest:\n  format: coco\nvalidate:\n  box_min_px: 2.0\n")
    assert "out of date: ingest in params.yaml changed" in run("findings")[1]


def test_a_mute_is_recorded_and_lets_the_gate_pass(run: Run, judged: Project):
    code, out, err = run("mute", "box001", "--path", "a*", "--reason", "drawn so", "--days", "9", "--who", "Ann")
    assert (code, err) == (0, "")
    assert out.startswith("BOX001 path=a*: 1 finding muted until ")
    assert [(mute.code, mute.by) for mute in load_mutes(judged.mutes)] == [("BOX001", "Ann")]
    assert run("gate")[0] == 0
    code, out, _ = run("findings")
    assert out.splitlines()[0].strip() == "1 warning, 1 muted"
    assert "drawn so" in out
