"""The card as a whole: numbers, front matter, Croissant, and the folder that holds them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from datatools.cards.croissant import CONTEXT
from datatools.cards.facts import LARGEST, SIZES, _find_url, collect_facts
from datatools.cards.write import NAMES, write_card
from datatools.cli import app
from datatools.errors import DatatoolsError
from datatools.project import Project
from datatools.schema import ANNOTATIONS
from tests.finished_runs import git
from tests.rounds import FIXED, finish_round, make_project, relabel_one
from tests.small_data import make_dataset

VALIDATOR = Path(__file__).with_name("validate_croissant.py")
# An interpreter that has mlcroissant, as validate_croissant.py says.
PYTHON = os.environ.get("DATATOOLS_CROISSANT_PYTHON", sys.executable)
SOURCES = 'folder: {licence: CC-BY-NC-4.0, title: Our scans, url: "https://example.org", attribution: Us}\n'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = relabel_one(make_project(tmp_path_factory.mktemp("card") / "p"), commit="")
    (project.root / "data" / "sources.yaml").write_text(SOURCES)
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "A label put right")
    return project


@pytest.fixture(scope="module")
def folder(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "card"
    write_card(project, folder)
    return folder


def read(folder: Path) -> tuple[dict[str, Any], str]:
    """Front matter and text of the card."""
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), text


def croissant(folder: Path) -> Any:
    return json.loads((folder / "croissant.json").read_text())


def test_the_front_matter(folder: Path):
    front, _ = read(folder)
    assert front == {
        "license": "cc-by-nc-4.0",
        "pretty_name": "Shapes",
        "task_categories": ["image-classification", "object-detection", "image-segmentation"],
        "size_categories": ["n<1K"],
        "configs": [
            {"config_name": "images", "data_files": "images.parquet", "default": True},
            {"config_name": "annotations", "data_files": "annotations.parquet"},
        ],
    }


def test_the_numbers_are_those_of_the_data(project: Project, folder: Path):
    _, text = read(folder)
    dataset = make_dataset()
    assert (
        f"{len(dataset.images)} images, {len(dataset.annotations)} annotations, {len(dataset.objects)} objects" in text
    )
    assert "| `circle` | 7 | 3 | 2 | 2 | 8 |" in text, "one of eight is a star now"
    assert "| `star` | 9 |" in text
    assert "train 16, val 4, test 4 images." in text
    assert "Certificate (assignment `abababababab`): No leak." in text
    assert "| `anna` | 24 |" in text
    assert "Fleiss' kappa 1.000 of 3 annotators on 24 images" in text
    assert "| `BOX006` | 1 | warning |" in text
    assert "1 decision of people is applied" in text
    assert "its image was left out: 1" in text
    assert "16 augmented copies" in text
    assert collect_facts(project).dataset.version in text


def test_licences_and_their_sources(folder: Path):
    _, text = read(folder)
    assert "| `folder` | 24 | `CC-BY-NC-4.0` | Our scans; " in text
    assert "example.org" in text
    assert "unknown" not in text.split("## Licences")[1]


def test_an_unknown_licence_is_said_loudly(tmp_path: Path):
    project = make_project(tmp_path / "p")
    written = write_card(project, tmp_path / "card")
    assert written.warnings[0].startswith("unknown (unknown): the licence of some images is not known")
    front, text = read(tmp_path / "card")
    assert front["license"] == "unknown"
    assert "**The licence of 100.0 % of the images (24) is unknown.**" in text


def test_several_licences_and_custom_ones(tmp_path: Path):
    project = make_project(tmp_path / "p")
    note = 'a: {licence: CC-BY-SA-4.0, images: "images/0*"}\n"*": {licence: CC-BY-NC-4.0}\n'
    (project.root / "data" / "sources.yaml").write_text(note.replace("a:", "fold*:"))
    written = write_card(project, tmp_path / "card")
    front, text = read(tmp_path / "card")
    assert front["license"] == ["cc-by-nc-4.0", "cc-by-sa-4.0"]
    assert [line.split(" (")[0] for line in written.warnings] == [
        "share-alike and non-commercial",
        "non-commercial and free",
    ]
    assert "- **share-alike and non-commercial** (`CC-BY-SA-4.0`, `CC-BY-NC-4.0`)" in text
    (project.root / "data" / "sources.yaml").write_text('"*": {licence: Our own terms}\n')
    write_card(project, tmp_path / "card")
    assert (
        read(tmp_path / "card")[0] | {"license": "other", "license_name": "Our own terms"} == read(tmp_path / "card")[0]
    )


def test_the_same_data_gives_the_same_bytes(project: Project, folder: Path, tmp_path: Path):
    write_card(project, tmp_path / "again")
    assert {name: (tmp_path / "again" / name).read_bytes() for name in NAMES} == {
        name: (folder / name).read_bytes() for name in NAMES
    }
    assert sorted(file.name for file in folder.iterdir()) == sorted(NAMES)


def test_the_tables(folder: Path):
    images = pd.read_parquet(folder / "images.parquet")
    assert list(images) == [
        "path", "sha256", "n_bytes", "width_px", "height_px", "format", "split", "label", "source", "licence",
    ]  # fmt: skip
    row = images.set_index("path").loc[FIXED]
    assert (row["split"], row["label"], row["licence"]) == ("train", "star", "CC-BY-NC-4.0")
    assert len(pd.read_parquet(folder / "annotations.parquet")) == 120


def test_groups_and_metadata_stay_at_home(folder: Path):
    """They may name persons."""
    for name in NAMES:
        assert b"w5" not in (folder / name).read_bytes() or name == "annotations.parquet"
    assert not {"group", "metadata", "attributes"} & set(pd.read_parquet(folder / "images.parquet"))


def nodes(document: Any) -> Iterator[dict[str, Any]]:
    """All objects of a document but for those of its context and its inline records."""
    if isinstance(document, dict):
        yield document
        for name, value in document.items():
            if name not in ("@context", "data"):
                yield from nodes(value)
    elif isinstance(document, list):
        for value in document:
            yield from nodes(value)


def test_croissant_names_every_file_with_its_hash(folder: Path):
    document = croissant(folder)
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    for node in document["distribution"]:
        data = (folder / node["contentUrl"]).read_bytes()
        assert node["sha256"] == hashlib.sha256(data).hexdigest()
        assert node["contentSize"] == f"{len(data)} B"


def test_croissant_has_every_column_and_every_reference_leads_somewhere(folder: Path):
    document = croissant(folder)
    sets = {node["@id"]: node for node in document["recordSet"]}
    for name in ("images", "annotations"):
        columns = [field["source"]["extract"]["column"] for field in sets[name]["field"]]
        assert columns == list(pd.read_parquet(folder / f"{name}.parquet"))
    defined = {node["@id"] for node in nodes(document) if "@type" in node and "@id" in node}
    used = {node["@id"] for node in nodes(document) if set(node) == {"@id"}}
    assert used
    assert used <= defined
    names = [node["@id"] for node in nodes(document) if "@type" in node and "@id" in node]
    assert len(names) == len(set(names))


def test_croissant_needs_no_network(folder: Path):
    """Its context is in the file, and has every term that is Croissant's own."""
    document = croissant(folder)
    assert document["@context"] == CONTEXT
    schema_org = {"name", "description", "license", "url", "version", "datePublished", "distribution", "contentUrl"}
    schema_org |= {"contentSize", "encodingFormat", "sha256", "fileObject", "column"}
    for node in nodes(document):
        assert {key for key in node if not key.startswith("@")} <= schema_org | set(CONTEXT)


def test_croissant_lists_sides_and_classes(folder: Path):
    sets = {node["@id"]: node for node in croissant(folder)["recordSet"]}
    assert [row["splits/name"] for row in sets["splits"]["data"]] == ["train", "val", "test"]
    assert sets["splits"]["data"][1]["splits/url"] == "cr:ValidationSplit"
    assert sets["classes"]["data"][0] == {"classes/name": "circle", "classes/n_images": 7, "classes/n_objects": 8}


def test_mlcroissant_finds_no_error_and_loads_every_record(folder: Path):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    probe = subprocess.run([PYTHON, "-c", "import mlcroissant"], env=environment, capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("mlcroissant has an environment of its own: set DATATOOLS_CROISSANT_PYTHON to its interpreter")
    command = [PYTHON, str(VALIDATOR), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["errors"] == []
    assert found["records"] == {"splits": 3, "classes": 3, "images": 24, "annotations": 120}
    assert [text for text in found["warnings"] if "citeAs" not in text and "/url" not in text] == []


def test_names_of_the_data_are_harmless(tmp_path: Path):
    project = make_project(tmp_path / "p")
    dataset = make_dataset()
    evil = "| x |\n# <script>alert(1)</script> @team [a](b)"
    label = dataset.annotations["label"]
    rows = dataset.annotations.assign(label=label.mask(label == "star", evil)).assign(annotator=evil)
    finish_round(
        project, dataclasses.replace(dataset, annotations=ANNOTATIONS.conform(rows), classes=("circle", "square", evil))
    )
    (project.root / "params.yaml").write_text("report:\n  title: '---: <b>'\n")
    write_card(project, tmp_path / "card")
    front, text = read(tmp_path / "card")
    assert front["pretty_name"] == "---: <b>"
    bare = re.sub(r"`[^`]*`", "", text)
    assert "<script" not in bare
    assert "<b>" not in bare
    assert [line for line in text.splitlines() if line.startswith("# ")][1:] == []


@pytest.mark.parametrize(
    ("n", "name"),
    [
        (1, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (60_000, "10K<n<100K"),
        (5_000_000, "1M<n<10M"),
        (20_000_000, "10M<n<100M"),
    ],
)
def test_sizes_are_called_as_hugging_face_calls_them(n: int, name: str):
    assert next((known for limit, known in SIZES if n < limit), LARGEST) == name


def test_what_was_not_run_yet_is_left_out(tmp_path: Path):
    project = make_project(tmp_path / "p")
    for name in ("split/split.parquet", "split/certificate.json", "findings/validate.parquet", "dataset/fixes.parquet"):
        (project.root / "data" / name).unlink()
    project.validation.unlink()
    write_card(project, tmp_path / "card")
    _, text = read(tmp_path / "card")
    for words in ("The data is not split.", "The checks found none.", "No record changes", "agreement is not known"):
        assert words in text, words


def test_before_the_first_run_it_is_one_line(tmp_path: Path):
    project = make_project(tmp_path / "p")
    (project.dataset / "dataset.json").unlink()
    with pytest.raises(DatatoolsError, match=r"dataset\.json: expected a JSON file"):
        write_card(project, tmp_path / "card")
    assert not (tmp_path / "card").exists()


def test_a_readme_of_somebody_stays(project: Project, tmp_path: Path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(DatatoolsError, match=r"expected a folder for the card\. Got one with a README\.md of its own"):
        write_card(project, tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_the_release_is_named_while_the_data_is_that_of_the_release(tmp_path: Path):
    project = make_project(tmp_path / "p")
    git(project.root, "tag", "-am", "one", "data@v1.2.0")
    assert collect_facts(project).version == "1.2.0"
    relabel_one(project)
    assert collect_facts(project).version is None
    write_card(project, tmp_path / "card")
    assert croissant(tmp_path / "card")["version"] == "0.0.0"


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b"),
        ("https://user:secret@example.org/a/b", "https://example.org/a/b"),
        ("git@github.com:a/b.git", "https://github.com/a/b"),
        ("ssh://git@example.org/a/b.git", "https://example.org/a/b"),
        ("/srv/git/a.git", None),
        ("file:///srv/a", None),
    ],
)
def test_the_address_is_a_page_without_secrets(tmp_path: Path, remote: str, expected: str | None):
    git(tmp_path, "init", "-q")
    git(tmp_path, "remote", "add", "origin", remote)
    assert _find_url(Project(tmp_path)) == expected


def test_the_command(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project.root)
    done = CliRunner().invoke(app, ["card", "--out", str(tmp_path / "card")])
    assert done.exit_code == 0, done.output
    assert "README.md, croissant.json, images.parquet, annotations.parquet" in done.output
