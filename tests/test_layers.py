"""Who may import what, and whether dvc.yaml, params.yaml, stages and library tell the same story."""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from datatools.params import SECTIONS, load_params
from datatools.project import LAYOUT
from datatools.stage import STATE

ROOT = Path(__file__).parents[1]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = PIPELINE["stages"]
LIBRARY = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "datatools").rglob("*.py")
    if "template" not in path.parts  # copies of stages/, for `datatools init`
)
SCRIPTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "stages").glob("*.py"))
N_STAGE_LINES = 45

# package -> the files that may import it; a folder ends with /
HOMES = {
    "torch": ("datatools/learn/",),
    "torchvision": ("datatools/learn/",),
    "safetensors": ("datatools/learn/",),
    "cleanlab": ("datatools/curate/label_issues.py", "datatools/curate/crowdlab.py"),
    "fiftyone": ("datatools/review/",),
    "pymongo": ("datatools/review/",),
    "imgaug": ("datatools/augment/imgaug_steps.py",),
    "cv2": ("datatools/images.py", "datatools/image_measures.py", "datatools/samples/digits.py"),
    "PIL": (
        "datatools/images.py",
        "datatools/image_measures.py",
        "datatools/image_sizes.py",
        "datatools/index_images.py",
        "datatools/plain_images.py",
    ),
    "dvclive": ("datatools/live.py",),
    "dvc": ("datatools/remotes/worker.py",),
    "faiss": ("datatools/similarity/graph.py",),
    "openTSNE": ("datatools/evaluate/projection.py",),
    "mlxtend": ("datatools/samples/",),
    "matplotlib": ("datatools/evaluate/pictures.py", "datatools/report/against/pictures.py"),
    "jinja2": ("datatools/report/pages.py",),
    "pyarrow": (
        "datatools/store.py",
        "datatools/facts.py",
        "datatools/ingest.py",
        "datatools/packed.py",
        "datatools/raw.py",
        "datatools/checks/columns.py",
        "datatools/checks/geometry.py",
    ),
    "defusedxml": ("datatools/formats/documents.py",),
    "typer": ("datatools/cli/",),
}
# Child processes need an environment; FiftyOne, cuBLAS and OpenBLAS can be told in no other way.
ENVIRONMENT = {
    "datatools/review/app.py",
    "datatools/review/mongod.py",
    "datatools/learn/fitting.py",
    "datatools/starting.py",
}
FROM_OUTSIDE = {("sys", "argv"), ("os", "environ"), ("os", "getenv"), ("os", "getcwd"), ("Path", "cwd")}

each_stage = pytest.mark.parametrize("name", STAGES)


@functools.cache
def tree_of(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"), filename=file)


def imports_of(file: str, types: bool = True) -> Iterator[str]:
    """Every dotted name that `file` imports, wherever the import stands; without `types`, not under TYPE_CHECKING."""
    todo: list[ast.AST] = [tree_of(file)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            todo += node.body if types else []
            todo += node.orelse
        else:
            todo += ast.iter_child_nodes(node)


def files_of(module: str) -> Iterator[str]:
    """The files that importing `module` runs: its own and those of its packages, without the two roots, which compute nothing."""
    parts = module.split(".")
    for n in range(2, len(parts) + 1):
        stem = "/".join(parts[:n])
        yield from (file for file in (f"{stem}.py", f"{stem}/__init__.py") if (ROOT / file).exists())


def import_closure(file: str) -> set[str]:
    """`file` and every file of ours that it can import, directly or not, at once or later."""
    seen: set[str] = set()
    todo = [file]
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        if here == "datatools/checks/runner.py":  # loads the checks by their names
            todo += [known for known in LIBRARY if known.startswith("datatools/checks/")]
        if here == "datatools/formats/registry.py":
            todo += [known for known in LIBRARY if known.startswith("datatools/formats/")]
        for module in imports_of(here, types=False):
            if module.split(".")[0] in ("datatools", "stages"):
                todo += files_of(module)
    return seen


def covers(dep: str, file: str) -> bool:
    return file == dep or file.startswith(dep.rstrip("/") + "/")


def paths_in(entries: list) -> list[str]:
    """Paths of `deps` or `outs`; an entry with options is a mapping of one key."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def deps_of(name: str) -> list[str]:
    return paths_in(STAGES[name]["deps"])


def outs_of(name: str) -> list[str]:
    return paths_in(STAGES[name]["outs"])


def options_of(name: str) -> dict[str, str]:
    """`--raw data/raw` of the stage's command, as a mapping."""
    return dict(re.findall(r"--(\S+) (\S+)", STAGES[name]["cmd"]))


def run_python(code: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


# ---- imports ----


@pytest.mark.parametrize("file", LIBRARY + SCRIPTS)
def test_heavy_packages_have_one_home(file):
    for module in imports_of(file):
        package = module.split(".")[0]
        homes = HOMES.get(package)
        at_home = homes is None or any(file.startswith(home) if home.endswith("/") else file == home for home in homes)
        assert at_home, f"{package} belongs in {' or '.join(homes)}"


def test_every_home_is_lived_in():
    for package, homes in HOMES.items():
        for home in homes:
            users = [file for file in LIBRARY if covers(home, file)]
            assert any(module.split(".")[0] == package for file in users for module in imports_of(file)), (
                package,
                home,
            )


@pytest.mark.parametrize("file", LIBRARY)
def test_the_library_does_not_import_its_users(file):
    packages = {module.split(".")[0] for module in imports_of(file)}
    assert not packages & {"stages", "tests", "benchmarks"}
    if not file.startswith("datatools/cli/"):
        assert not any(name.startswith("datatools.cli") for name in imports_of(file))
    if not file.startswith(("datatools/samples/", "datatools/cli/")):
        assert not any(module.startswith("datatools.samples") for module in imports_of(file))


def test_the_root_packages_import_nothing_that_computes():
    assert all(isinstance(node, ast.Expr) for node in tree_of("datatools/__init__.py").body)
    assert {name for name in imports_of("stages/__init__.py") if name.count(".") == 1} == {"datatools.starting"}


@pytest.mark.parametrize(
    ("module", "kept_out"),
    [
        ("datatools.cli", "torch fiftyone cleanlab imgaug dvclive cv2 PIL pandas pyarrow sklearn matplotlib dvc"),
        ("datatools.dataset", "torch fiftyone cleanlab imgaug dvclive cv2 PIL sklearn matplotlib dvc typer"),
        ("datatools.ingest", "torch fiftyone cleanlab imgaug dvclive sklearn matplotlib dvc typer"),
    ],
)
def test_light_modules_stay_light(module, kept_out):
    loaded = run_python(f"import {module}, sys; print(*{{name.split('.')[0] for name in sys.modules}})").split()
    assert "datatools" in loaded
    assert not set(loaded) & set(kept_out.split())


def test_learning_needs_torch_and_little_else():
    blocked = {"fiftyone", "cleanlab", "imgaug", "cv2", "faiss", "dvc", "pyarrow", "imagehash", "typer", "rich"}
    out = run_python(
        f"""
        import importlib, pkgutil, sys

        class Block:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {blocked!r}:
                    raise ImportError("blocked: " + name)

        sys.meta_path.insert(0, Block())
        try:
            import rich
        except ImportError:
            print("blocks")
        import datatools.learn
        for module in pkgutil.iter_modules(datatools.learn.__path__):
            importlib.import_module("datatools.learn." + module.name)
            print(module.name)
        """
    )
    assert out.split() == ["blocks", *sorted(path.stem for path in (ROOT / "datatools/learn").glob("[a-z]*.py"))]


# ---- dvc.yaml against the code ----


def test_one_name_in_every_place():
    scripts = [Path(file).stem for file in SCRIPTS if not file.endswith("__init__.py")]
    sections = list(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))
    assert list(STAGES) == list(SECTIONS) == sections
    assert sorted(STAGES) == scripts
    for name, kind in SECTIONS.items():
        assert kind.__name__ == f"{name.capitalize()}Params"
        assert STAGES[name]["cmd"].split()[:3] == ["python", "-m", f"stages.{name}"]
        assert name in STAGES[name]["params"]
        assert STAGES[name]["desc"]


@each_stage
def test_deps_cover_the_import_closure(name):
    closure = import_closure(f"stages/{name}.py")
    assert len(closure) > 5
    deps = deps_of(name)
    missing = sorted(file for file in closure if not any(covers(dep, file) for dep in deps))
    assert missing == []


@each_stage
def test_deps_name_no_code_that_the_stage_does_not_import(name):
    closure = import_closure(f"stages/{name}.py")
    code = [dep for dep in deps_of(name) if dep.startswith(("datatools/", "stages/"))]
    assert [dep for dep in code if not any(covers(dep, file) for file in closure)] == []


@each_stage
def test_deps_are_there_or_made_by_an_earlier_stage(name):
    earlier = list(STAGES)[: list(STAGES).index(name)]
    made = [out for stage in earlier for out in outs_of(stage)]
    for dep in deps_of(name):
        if dep.startswith(("datatools/", "stages/")):
            assert (ROOT / dep).exists(), dep
        else:
            assert dep in made or dep in (LAYOUT["raw"], LAYOUT["fixes"], LAYOUT["mutes"]), dep
    for entries in (deps_of(name), outs_of(name)):
        assert len(set(entries)) == len(entries)


@each_stage
def test_the_command_names_only_deps_and_outs(name):
    words = STAGES[name]["cmd"].split()
    named = [word for word in words[3:] if not word.startswith("--")]
    assert named
    known = deps_of(name) + outs_of(name)
    for path in named:
        assert any(covers(path, entry) for entry in known), path
    outside = [entry for entry in known if not entry.startswith(("datatools/", "stages/"))]
    assert [entry for entry in outside if not any(covers(path, entry) for path in named)] == []


@each_stage
def test_what_the_script_reads_and_writes_is_declared(name):
    """`args.dataset / "fixes.parquet"` and load_dataset(args.dataset) in stages/ are deps or outs in dvc.yaml."""
    source, options = (ROOT / f"stages/{name}.py").read_text(encoding="utf-8"), options_of(name)
    named = re.findall(r'args\.(\w+) / "([\w.]+\.\w+)"', source)
    files = {f"{options[option]}/{file}" for option, file in named if option != "state"}
    for call, parts in {"load_dataset": deps_of(name), "save_dataset": outs_of(name)}.items():
        for option in re.findall(rf"{call}\(args\.(\w+)", source):
            tables = {f"{options[option]}/{file}" for file in ("images.parquet", "annotations.parquet", "dataset.json")}
            assert tables <= set(parts)
    assert files <= set(deps_of(name) + outs_of(name))


def test_every_input_of_the_pipeline_has_one_maker():
    outs = [out for name in STAGES for out in outs_of(name)]
    assert len(set(outs)) == len(outs)
    assert not any(out.startswith((LAYOUT["raw"], LAYOUT["fixes"])) for out in outs), "people write there"


def test_every_param_of_dvc_yaml_is_a_field():
    for name, stage in STAGES.items():
        for param in stage["params"]:
            section, _, key = param.partition(".")
            fields = {field.name for field in dataclasses.fields(SECTIONS[section])}
            assert not key or key in fields, f"{name}: {param}"


@each_stage
def test_params_cover_every_section_that_the_script_reads(name):
    source = (ROOT / f"stages/{name}.py").read_text(encoding="utf-8")
    for kind in re.findall(r"load_params\(args\.params_file, (\w+)\)", source):
        section = next(section for section, known in SECTIONS.items() if known.__name__ == kind)
        assert any(param.partition(".")[0] == section for param in STAGES[name]["params"])


def test_metrics_and_plots_are_outs():
    outs = [out for name in STAGES for out in outs_of(name)]
    plots: list[str] = []
    for entry in PIPELINE["plots"]:
        for path, options in entry.items() if isinstance(entry, dict) else [(entry, {})]:
            plots += list(options["y"]) if isinstance(options.get("y"), dict) else [path]
    for path in [*PIPELINE["metrics"], *plots]:
        assert any(covers(out, path) for out in outs), path


def test_the_layout_of_a_project_is_that_of_dvc_yaml():
    known = [path for name in STAGES for path in deps_of(name) + outs_of(name)]
    elsewhere = {"params": "params.yaml", "state": STATE, "answer_key": LAYOUT["answer_key"], "images": "data/images"}
    for name, path in LAYOUT.items():
        if name in elsewhere:
            assert path == elsewhere[name]
            assert not any(covers(path, entry) for entry in known)
        else:
            assert any(covers(path, entry) for entry in known), f"{name}: {path}"


# ---- params.yaml ----


@pytest.mark.parametrize("section", SECTIONS)
def test_params_yaml_has_every_field_and_no_other(section):
    document = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    fields = [field.name for field in dataclasses.fields(SECTIONS[section])]
    assert list(document[section]) == fields
    loaded = load_params(ROOT / "params.yaml", SECTIONS[section])
    assert dataclasses.asdict(loaded) == document[section]


# ---- where the library ends ----


@pytest.mark.parametrize("file", LIBRARY + SCRIPTS)
def test_nothing_prints_and_only_the_command_line_looks_around(file):
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "input", "breakpoint"), f"{file}:{node.lineno}"
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and not file.startswith("datatools/cli/")
        ):
            name = (node.value.id, node.attr)
            allowed = name not in FROM_OUTSIDE or (name == ("os", "environ") and file in ENVIRONMENT)
            assert allowed, f"{file}:{node.lineno}: {'.'.join(name)}"
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "sys"):
            assert not {alias.name for alias in node.names} & {"argv", "environ", "getenv", "getcwd"}, file


@pytest.mark.parametrize(
    "file", [file for file in LIBRARY + SCRIPTS if "datatools/samples/" not in file] + ["dvc.yaml"]
)
def test_nobody_looks_at_the_answer_key(file):
    if not file.startswith("datatools/cli/") and file != "datatools/project.py":
        assert not re.search(r"answer.?key", (ROOT / file).read_text(encoding="utf-8"), re.IGNORECASE)


@each_stage
def test_a_stage_is_short_and_decides_nothing(name):
    file = f"stages/{name}.py"
    assert len((ROOT / file).read_text(encoding="utf-8").splitlines()) <= N_STAGE_LINES
    deciding = (ast.If, ast.IfExp, ast.While, ast.Try, ast.Lambda, ast.BoolOp)
    body = [node for top in tree_of(file).body if isinstance(top, ast.FunctionDef) for node in ast.walk(top)]
    assert body
    assert not [node for node in body if isinstance(node, deciding)]
    assert "pandas" not in {module.split(".")[0] for module in imports_of(file)}


# Where code of anybody may fail in any way: a check, and the file systems that a remote is made of.
CATCH_ALL = {"datatools/checks/runner.py": 1, "datatools/remotes/worker.py": 2}


@pytest.mark.parametrize("file", LIBRARY)
def test_only_code_of_others_is_caught_whatever_it_raises(file):
    handlers = [node for node in ast.walk(tree_of(file)) if isinstance(node, ast.ExceptHandler)]
    broad = [node for node in handlers if node.type is None or "Exception" in ast.unparse(node.type).split("'")]
    reraised = [node for node in handlers if node.type is not None and ast.unparse(node.type) == "BaseException"]
    assert len(broad) == CATCH_ALL.get(file, 0)
    assert all(isinstance(node.body[-1], ast.Raise) for node in reraised)
