"""Documentation that a program can check: the check list, the command reference, the README's commands and links.

`python -m tests.test_docs` rewrites the generated parts.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from datatools.checks.runner import load_checks
from datatools.cli import app
from datatools.formats import NAMES
from datatools.formats.registry import describe_format, load_format
from tests.project import REPO, copy_project, run

README = REPO / "README.md"
CLI = REPO / "docs" / "cli.md"
FORMATS = REPO / "docs" / "formats.md"
PYTHON = REPO / "docs" / "python.md"
MARK = re.compile(r"(<!-- checks: [^>]*-->\n).*?(<!-- /checks -->)", re.DOTALL)
# Commands of the README that other tests run (make, git clone, the app, the sample), or that need a second machine.
ELSEWHERE = ("make", "git clone", "pip", "datatools review", "datatools init", "datatools convert")


def list_checks() -> str:
    """The README's table of checks."""
    rows = [f"| {check.code} | {check.title} | {check.severity} |" for check in load_checks()]
    return "\n".join(["| code | finds | severity |", "|---|---|---|", *rows]) + "\n"


def describe_cli() -> str:
    """The command reference, as Typer writes it."""
    import typer
    from typer.cli import get_docs_for_click

    command = typer.main.get_command(app)
    with pytest.MonkeyPatch.context() as patch:
        for kind in (type(command), typer.core.TyperCommand):  # the lists of commands have room for whole sentences
            patch.setattr(kind, "get_short_help_str", lambda self, limit=45: (self.help or "").split("\n\n")[0])
        text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="datatools", title="The commands")
    return text.strip() + "\n"


FORMATS_HEAD = """# The formats

`datatools import`, `init --from` and `convert` read and write these. Which one it is, is recognised, file by file; several
may lie in one folder. `datatools formats NAME` prints a page of this file. Generated from the modules in
`datatools/formats/` by `python -m tests.test_docs`.

Of all formats holds:

- **Coordinates** are pixels, half-open and continuous: pixel *i* covers [*i*, *i* + 1). They are taken as they are given, nothing
  is clipped or put in order; the checks speak of that. Each page says how the format counts.
- **EXIF orientation** is applied to every image; annotations refer to the image as it is then seen.
- **Ids** are stable: the file's own where it has some, else made of the image's path and the place in the file.
- **What has no column** of its own is kept in `attributes` of its annotation or image, and written back.
- **What a target cannot hold** is listed in `losses.csv` beside what `datatools convert` writes, row by row.
- **Of a project** `convert` writes the data as the last `dvc repro` left it: fixes applied, subsets by the sides of the
  split, the one label of an image that training sees (what each annotator said stays in the project), nothing that is in quarantine.
- **Sizes** that no file states are read from the images by `convert`, where the target has a place for them.
- **Counts** add up: annotations found = annotations taken in + rows in `rejected`.

| name | format |
|---|---|
"""


def describe_formats() -> str:
    """docs/formats.md: a page a format, its module's docstring."""
    formats = [load_format(name) for name in NAMES]
    table = "".join(f"| [`{item.name}`](#{item.name}) | {item.title} |\n" for item in formats)
    pages = "".join(f"\n## {item.name}\n\n{describe_format(item.name)}\n" for item in formats)
    return FORMATS_HEAD + table + pages


def console_commands(text: str) -> list[str]:
    """Every line after `$ ` in a console block, without its comment."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [part.strip() for line in lines for part in line.split("    #")[0].split(" && ")]


def test_the_list_of_checks_is_current() -> None:
    assert list_checks() in README.read_text(), "run python -m tests.test_docs"


def test_the_command_reference_is_current() -> None:
    assert CLI.read_text() == describe_cli(), "run python -m tests.test_docs"


def test_the_pages_of_the_formats_are_current() -> None:
    assert FORMATS.read_text() == describe_formats(), "run python -m tests.test_docs"


def test_links_and_pictures_exist() -> None:
    for page in [README, *sorted((REPO / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_paths_named_in_the_readme_exist() -> None:
    made = {
        item
        for stage in yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"].values()
        for item in map(str, stage["outs"])
    }
    for path in re.findall(r"`((?:datatools|stages|docs|benchmarks|tests)/[\w./]*)`", README.read_text()):
        assert (REPO / path).exists() or path in made, path


def test_the_readme_names_every_extra() -> None:
    import tomllib

    extras = set(tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    table = README.read_text().split("| extra | for |")[1].split("\n\n")[0]
    named = {name for row in table.splitlines() if row for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == extras - {"all", "dev"}


def test_the_readme_leaves_no_placeholder() -> None:
    assert "@@" not in README.read_text()


@pytest.mark.parametrize(
    "page",
    [README, *(page for page in sorted((REPO / "docs").glob("*.md")) if page != CLI)],
    ids=lambda page: page.name,
)
def test_datatools_commands_exist(page: Path) -> None:
    import typer

    for command in console_commands(page.read_text()):
        if command.startswith("datatools "):
            words = [word for word in shlex.split(command)[1:] if not word.startswith("-")]
            node = typer.main.get_command(app)
            while words and hasattr(node, "commands"):
                assert words[0] in node.commands, command
                node = node.commands[words.pop(0)]


def test_the_readme_commands_run(finished: Path, tmp_path: Path) -> None:
    project = copy_project(finished, tmp_path / "first")
    top = pd.read_parquet(project / "data/queue/queue.parquet").iloc[0]
    folder = project
    for command in console_commands(README.read_text()):
        if command.startswith(ELSEWHERE) or command == "cd datatools":
            continue
        if command == "datatools pull":
            run(tmp_path, "git", "clone", "-q", str(project), "second")
            folder = tmp_path / "second"
        command = re.sub(r"images/\d+\.png", top["path"], command)
        command = re.sub(r"--label \d", f"--label {top['suggested']}", command)
        run(folder, *shlex.split(command))
    assert folder != project, "the README no longer shows a second clone"


def test_the_blocks_of_the_python_page_run(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = copy_project(finished, tmp_path / "first")
    run(project, "git", "add", "--all")
    run(project, "git", "commit", "--quiet", "--message", "First run")
    monkeypatch.chdir(project / "data")
    names: dict[str, Any] = {"__name__": "notebook"}
    for block in re.findall(r"```python\n(.*?)```", PYTHON.read_text(), re.DOTALL):
        exec(block, names)
    dataset, side = names["dataset"], names["Side"]("test", names["transform"])
    image, label = side[0]
    assert (image.shape, label) == ((3, 64, 64), dataset.classes.index(side.labels.iloc[0]))
    files = [str(project / "data/raw" / path) for path in side.labels.index[:2]]
    probs = names["classify"](files)
    assert list(probs.columns) == list(dataset.classes) and probs.sum(axis=1).round(4).tolist() == [1.0, 1.0]


def main() -> None:
    """Rewrite the generated parts."""
    README.write_text(MARK.sub(lambda match: match[1] + list_checks() + match[2], README.read_text()))
    CLI.write_text(describe_cli())
    FORMATS.write_text(describe_formats())


if __name__ == "__main__":
    main()
