"""The files that `datatools init` writes are those of this repository: `python -m tests.test_template` makes them again."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import yaml

from datatools.init import PIPELINE, TEMPLATE, set_params
from datatools.params import SECTIONS, load_params
from datatools.samples.registry import SAMPLES

REPO = Path(__file__).parents[1]
OWN = {"ingest.group_column": '""', "curate.slice_columns": "[]"}  # the default sample's, nobody else's
LIBRARY = """\
stages:
  library:
    desc: What the installed datatools is; each stage depends on its own line
    cmd: python -m stages.library data/library.json
    always_changed: true
    outs:
      - data/library.json:
          cache: false
          persist: true

"""


SCRIPT = '''"""Ask which datatools is installed; every other stage depends on its line of the answer."""

import sys
from collections.abc import Sequence
from pathlib import Path

from datatools.library import update_library


def main(argv: Sequence[str] | None = None) -> int:
    """Write the answer to the file that argv names, and say which stages will run again."""
    line = update_library(Path((sys.argv[1:] if argv is None else argv)[0]))
    if line:
        sys.stdout.write(line + "\\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
'''


def make_files() -> dict[str, str]:
    """Every file of the template, by name."""
    pipeline = (REPO / "dvc.yaml").read_text()
    files = {f"stages/{path.name}": path.read_text() for path in sorted((REPO / "stages").glob("*.py"))}
    files["stages/library.py"] = SCRIPT
    files["data/mutes.yaml"] = (REPO / "data" / "mutes.yaml").read_text()
    files[PIPELINE] = make_pipeline(pipeline)
    files["params.yaml"] = set_params((REPO / "params.yaml").read_text(), OWN)
    files["modules.json"] = json.dumps(list_modules(pipeline), indent=1) + "\n"
    return files


def make_pipeline(text: str) -> str:
    """dvc.yaml for a project whose library is installed: the library's digests instead of its files."""
    text = re.sub(r"^      - datatools/.*\n", "", text, flags=re.MULTILINE)
    text = text.replace("stages:\n", LIBRARY, 1).replace(
        "library module it\n# depends on has changed (tests/test_layers.py compares these lists with what each stage imports).",
        "part of the\n# installed datatools that it uses has changed.",
    )
    parts = re.split(r"(?m)^(?=  \w+:\n    desc:)", text)
    return "".join(_with_digest(part) for part in parts)


def _with_digest(part: str) -> str:
    name = part.split(":")[0].strip()
    own = "    outs:\n      - data/library.json"
    if own in part:
        return part
    return part.replace("    outs:\n", f"      - data/library.json:\n          - stages.{name}\n    outs:\n", 1)


def list_modules(pipeline: str) -> dict[str, list[str]]:
    """Stage -> the files and folders of the library that it depends on."""
    stages = yaml.safe_load(pipeline)["stages"]
    names = {stage: [dep for dep in body["deps"] if dep.startswith("datatools/")] for stage, body in stages.items()}
    return {stage: [dep.removeprefix("datatools/") for dep in deps] for stage, deps in names.items()}


def test_the_template_is_what_this_repository_has():
    made = make_files()
    there = {
        path.relative_to(TEMPLATE).as_posix(): path.read_text()
        for path in TEMPLATE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.parent.parent != TEMPLATE / "ci"
    }
    assert there == made, "run `python -m tests.test_template`"


def test_every_stage_of_the_template_depends_on_its_part_of_the_library_and_on_no_file_of_it():
    stages = yaml.safe_load((TEMPLATE / PIPELINE).read_text())["stages"]
    ours = yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"]
    assert list(stages) == ["library", *ours]
    for name, stage in ours.items():
        own = stages[name]
        assert own["cmd"] == stage["cmd"] and own["outs"] == stage["outs"]
        assert own["params"] == [*stage["params"], {"data/library.json": [f"stages.{name}"]}]
        assert own["deps"] == [dep for dep in stage["deps"] if not dep.startswith("datatools/")]


def test_the_template_has_no_settings_of_the_sample_and_the_sample_brings_its_own(tmp_path: Path):
    text = (TEMPLATE / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(set_params(text, SAMPLES["digits"].params))
    for section in SECTIONS.values():
        assert load_params(tmp_path / "params.yaml", section) == load_params(REPO / "params.yaml", section)
    assert load_params(TEMPLATE / "params.yaml", SECTIONS["ingest"]).group_column == ""


def test_a_wheel_has_every_file_of_the_template(tmp_path: Path):
    """Whoever installs the package, and does not clone this repository, has to find what `datatools init` copies."""
    source = tmp_path / "source"
    shutil.copytree(REPO / "datatools", source / "datatools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (REPO / name).exists():
            shutil.copy(REPO / name, source)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('..'))"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        there = {name.removeprefix("datatools/template/") for name in archive.namelist() if "/template/" in name}
        assert {"datatools/py.typed", "datatools/report/style.css"} <= set(archive.namelist())
    workflows = {path.relative_to(TEMPLATE).as_posix() for path in (TEMPLATE / "ci").rglob("*.yaml")}
    assert workflows and there == set(make_files()) | workflows


if __name__ == "__main__":
    for name, text in make_files().items():
        (TEMPLATE / name).parent.mkdir(parents=True, exist_ok=True)
        (TEMPLATE / name).write_text(text)
