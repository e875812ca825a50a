"""Starting a project of one's own: a pipeline around the installed library, in an empty folder or a Git repository."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.formats import AUTO
from datatools.free_folder import check_free
from datatools.image_sizes import read_size
from datatools.images import UnreadableImageError
from datatools.import_data import Imported, import_data
from datatools.project import LAYOUT, Project
from datatools.raw import open_raw
from datatools.tree import Tree, UnreadableFileError

TEMPLATE = Path(__file__).parent / "template"
PIPELINE = "pipeline.yaml"  # dvc.yaml in a project; under that name DVC would take the template for a pipeline of ours
PARAMS, MUTES = LAYOUT["params"], LAYOUT["mutes"]
LINES = {  # file -> lines that a project needs; they are added to what is there
    ".dvcignore": ("__pycache__/", "*.pyc", "/.venv/", "/data/raw/batches/.new-*"),
    ".gitignore": (
        *("/.venv/", "/.datatools/", "__pycache__/", "/data/images/"),
        *("/reports/against/", "/reports/lift/"),  # what `datatools report` and `datatools lift` write
    ),
    ".gitattributes": (
        "data/fixes/*.jsonl merge=union -text",
        "data/split/ledger.csv merge=union -text",
        "data/receipts/*.json -text",
        "*.parquet binary",
    ),
}
WORKFLOWS = {  # where the files of template/ci/ belong, from the top of the Git repository
    "github": {
        "datatools.yaml": ".github/workflows/datatools.yml",
        "datatools-comment.yaml": ".github/workflows/datatools-comment.yml",
    },
    "gitlab": {"datatools.yaml": ".gitlab/datatools.yml", "include.yaml": ".gitlab-ci.yml"},
}
HERE = 'PROJECT: "."'  # what a workflow says of the project's folder
SIZES_PX = (32, 64, 96)  # what a first model is trained at: no larger than the images, small enough for a laptop
LOOKED_AT = 200  # images that say how large images are


@dataclass(frozen=True)
class Started:
    """What `init` did: files written, files that were there already, and what was imported."""

    project: Project
    written: tuple[str, ...]
    kept: tuple[str, ...]
    imported: Imported | None = None


def init_project(
    folder: Path,
    source: Tree | None = None,
    name: str = "",
    format: str = AUTO,
    lay_out: Callable[[Project], Mapping[str, str]] | None = None,
    tick: Callable[[int], None] | None = None,
    ci: str | None = None,
) -> Started:
    """Make `folder` a project; import `source` under `name`, if one is given.

    `lay_out` may fill the data root in another way; it returns the parameters (`section.key` -> YAML) that go with it.
    `ci`, a name of WORKFLOWS, adds workflow files; a project that is there gets these alone.

    Files that are there stay as they are; to `.gitignore`, `.dvcignore` and `.gitattributes` missing lines are added.
    Raises DatatoolsError, before anything is written, when another pipeline is there, when the data root has files and data
    is to be brought, when Git is missing, and when it ignores what a project keeps in it.
    """
    if ci is not None and ci not in WORKFLOWS:
        raise DatatoolsError(f"--ci must be one of {', '.join(WORKFLOWS)}. Got {ci!r} instead.")
    bring_data = source is not None or lay_out is not None
    if ci is not None and not bring_data and (folder / "dvc.yaml").exists() and (folder / "params.yaml").exists():
        written, kept = _write_workflows(folder, ci)
        return Started(Project(folder), tuple(written), tuple(kept))
    check_free(folder, bring_data, TEMPLATE / PIPELINE)
    folder.mkdir(parents=True, exist_ok=True)
    _start_git_and_dvc(folder)
    written, kept = _copy_template(folder)
    if ci is not None:
        for names, more in zip((written, kept), _write_workflows(folder, ci), strict=True):
            names += more
    project = Project(folder)
    imported, settings = None, {}
    if source is not None:
        imported = import_data(source, project.raw, name, format, tick=tick, cache=project.state / "cache")
        settings = {"train.image_size_px": str(_choose_size(project.raw))}
    elif lay_out is not None:
        settings = dict(lay_out(project))
    if settings and _is_same(folder / PARAMS, TEMPLATE / PARAMS):  # also what an init that did not end left there
        file = folder / PARAMS
        file.write_text(set_params(file.read_text(encoding="utf-8"), settings), encoding="utf-8", newline="\n")
        if PARAMS in kept:
            kept.remove(PARAMS)
            written.append(PARAMS)
    if project.raw.exists():
        run(folder, sys.executable, "-m", "dvc", "add", "data/raw")
    return Started(project, tuple(written), tuple(kept), imported)


def set_params(text: str, settings: Mapping[str, str]) -> str:
    """The text of a params.yaml with the values of `section.key` replaced, comments and all else as they are."""
    for name, value in settings.items():
        section, key = name.split(".")
        pattern = re.compile(rf"(^{section}:\n(?:[ #].*\n|\n)*?  {key}:) [^#\n]*?( *#.*)?$", re.MULTILINE)
        text, n = pattern.subn(lambda match, value=value: f"{match[1]} {value}{match[2] or ''}", text, count=1)  # type: ignore[misc]
        assert n == 1, f"the template has no {name}"
    return text


def run(folder: Path, *command: str) -> None:
    """Run a command in `folder`; raises DatatoolsError with its last line when it fails or is not there.

    Without --quiet: DVC would not say why it fails.
    """
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise DatatoolsError(f"expected the command {command[0]!r}. Got none on this machine: install it.") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines()
        raise DatatoolsError(
            f"{' '.join(command)}: expected exit code 0. Got {error.returncode}: {said[-1] if said else 'no message'}."
        ) from error


def find_other_files(folder: Path) -> list[str]:
    """Files of the project that are not as this version writes them, or missing: an older version's, or changed since.

    What people are meant to edit, parameters and mutes, is not looked at.
    """
    names = [name for name in _template_files() if name not in (PARAMS, MUTES)]
    return [own for name in names if not _is_same(folder / (own := _own_name(name)), TEMPLATE / name)]


def _is_same(file: Path, template: Path) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8", errors="replace") == template.read_text(encoding="utf-8")


def _template_files() -> list[str]:
    files = [path for path in TEMPLATE.rglob("*") if path.is_file() and path.suffix in (".py", ".yaml")]
    names = sorted(path.relative_to(TEMPLATE).as_posix() for path in files)
    return [name for name in names if not name.startswith("ci/")]


def _own_name(name: str) -> str:
    """What a file of the template is called in a project."""
    return "dvc.yaml" if name == PIPELINE else name


def _start_git_and_dvc(folder: Path) -> None:
    inside = subprocess.run(["git", "rev-parse", "--show-toplevel"], cwd=folder, capture_output=True, text=True)
    if inside.returncode != 0:
        run(folder, "git", "init", "--quiet")
    if not (folder / ".dvc").exists():
        at_top = inside.returncode != 0 or Path(inside.stdout.strip()).resolve() == folder.resolve()
        dvc = (sys.executable, "-m", "dvc")
        run(folder, *dvc, "init", *(() if at_top else ("--subdir",)))
        run(folder, *dvc, "config", "core.analytics", "false")


def _copy_template(folder: Path) -> tuple[list[str], list[str]]:
    """Write what is missing; returns the files written and those kept."""
    written, kept = [], []
    for name in _template_files():
        own_name = _own_name(name)
        target = folder / own_name
        if target.exists():
            kept.append(own_name)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TEMPLATE / name, target)
        written.append(own_name)
    for name, lines in LINES.items():
        if _add_lines(folder / name, lines):
            written.append(name)
    keep = folder / "data" / "fixes" / ".gitkeep"
    if not keep.exists():
        keep.parent.mkdir(parents=True, exist_ok=True)
        keep.touch()
        written.append("data/fixes/.gitkeep")
    return written, kept


def _write_workflows(folder: Path, ci: str) -> tuple[list[str], list[str]]:
    """Write the workflow files of `ci` that are missing; returns the files written and those kept."""
    top = _find_top(folder)
    own = folder.resolve().relative_to(top).as_posix()
    written, kept = [], []
    for name, place in WORKFLOWS[ci].items():
        target = top / place
        if target.exists():
            kept.append(place)
            continue
        text = (TEMPLATE / "ci" / ci / name).read_text(encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace(HERE, f"PROJECT: {json.dumps(own)}"), encoding="utf-8", newline="\n")
        written.append(place)
    return written, kept


def _find_top(folder: Path) -> Path:
    """The top of the Git repository that `folder` is in; `folder` itself where there is none."""
    found = subprocess.run(["git", "rev-parse", "--show-toplevel"], cwd=folder, capture_output=True, text=True)
    return Path(found.stdout.strip()).resolve() if found.returncode == 0 else folder.resolve()


def _add_lines(file: Path, lines: Sequence[str]) -> bool:
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    missing = [line for line in lines if line not in text.splitlines()]
    if missing:
        start = text if not text or text.endswith("\n") else text + "\n"
        file.write_text(start + "\n".join(missing) + "\n", encoding="utf-8", newline="\n")
    return bool(missing)


def _choose_size(root: Path) -> int:
    """The largest of SIZES_PX that the middle one of the first images still fills, for a first model."""
    raw = open_raw(root)
    sides: list[int] = []
    for path in raw.packed_paths()[:LOOKED_AT]:
        try:
            sides.append(min(read_size(raw.read(path))))
        except (UnreadableImageError, UnreadableFileError):
            continue
    middle = sorted(sides)[len(sides) // 2] if sides else 0
    return max([size for size in SIZES_PX if size <= middle], default=SIZES_PX[0])
