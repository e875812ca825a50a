"""What other validators find in the same files: Datumaro's validator, `kwcoco validate` and pycocotools.

They are installed in an environment of their own, whose Python runs this file: one JSON object a line in, one out.

How they are asked, each in the way that serves it best:

- **Datumaro** reads the whole set (COCO, VOC; of tables it is handed items with labels, as it has no such format). Errors
  of reading are collected instead of ending the import, and count as found; then the detection, segmentation or classification
  validator runs with its defaults. A report counts if it is of a type named in RULES and about the image (and in COCO the
  annotation, where it names one). Where it gives up on a whole COCO set, each planted item is tried in a set of its own,
  and giving up again counts as found.
- **kwcoco** stops at the first error of the JSON schema, so each planted item is validated in a document of its own
  (its image, its annotation, the categories), with `corrupted=True`. Any error counts.
- **pycocotools** is no validator. Each planted annotation is turned into a mask (`annToMask`) in a process of its own;
  an exception counts, a crash or a silent result does not.

RULES is our mapping: the codes for which a tool has a rule that is about the same defect. A code that is not there is one
that none of the three has a word for.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DATUMARO, KWCOCO, PYCOCOTOOLS = "Datumaro", "kwcoco", "pycocotools"
TOOLS = (DATUMARO, KWCOCO, PYCOCOTOOLS)
ANY = ("",)
IMPORT = "import"  # an error of reading
GAVE_UP = "gave up"
FAR = "FarFromLabelMean"

RULES: dict[str, dict[str, tuple[str, ...]]] = {
    "IMG001": {KWCOCO: ANY},
    "IMG004": {KWCOCO: ANY},
    "BOX001": {DATUMARO: ("NegativeLength", IMPORT)},
    "BOX003": {DATUMARO: ("NegativeLength", IMPORT)},
    "BOX004": {DATUMARO: ("InvalidValue", "NegativeLength", IMPORT), KWCOCO: ANY},
    "BOX006": {DATUMARO: ("NegativeLength", FAR)},
    "BOX007": {DATUMARO: (FAR,)},
    "BOX008": {DATUMARO: (FAR,)},
    "MSK004": {DATUMARO: ("InvalidValue", IMPORT), PYCOCOTOOLS: ANY},
    "MSK007": {DATUMARO: ("InvalidValue", IMPORT)},
    "MSK008": {DATUMARO: (IMPORT,), PYCOCOTOOLS: ANY},
    "MSK009": {DATUMARO: ("UndefinedLabel", IMPORT)},
    "LBL001": {DATUMARO: ("UndefinedLabel", IMPORT), KWCOCO: ANY},
    "LBL002": {DATUMARO: ("MissingAnnotation",)},
    "LBL005": {KWCOCO: ANY},
    "LBL006": {DATUMARO: ("MultiLabelAnnotations",)},
    "LBL007": {DATUMARO: ("FewSamplesInLabel",)},
    "LBL008": {DATUMARO: ("MissingAnnotation",)},
}


def can_ask(tool: str, code: str, folder: Path) -> bool:
    """Whether a tool has a rule for a code, and reads what lies in the folder."""
    if tool not in RULES.get(code, {}):
        return False
    is_coco = (folder / "annotations").exists()
    if tool == DATUMARO:
        return is_coco or (folder / "JPEGImages").exists() or (folder / "labels.csv").exists()
    return is_coco or code.startswith("IMG") or (tool == KWCOCO and code == "LBL005")


class Peers:
    """The other process; `look` asks it."""

    def __init__(self, python: Path) -> None:
        command = [str(python), "-W", "ignore", __file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.versions: dict[str, str] = self._read()

    def look(
        self, folder: Path, tools: Sequence[str], places: Sequence[Sequence[str | None]], ids: Sequence[Sequence[int]]
    ) -> dict[str, list[list[str]]]:
        """For each tool a list of what it says about each planted item, as `<type> <message>`."""
        question = {"folder": str(folder), "tools": list(tools), "places": places, "ids": ids}
        return self._ask(question)

    def reports(self, folder: Path) -> dict[str, int]:
        """How many reports of each type and severity Datumaro makes about items of a whole set."""
        return self._ask({"folder": str(folder), "all": True})

    def control(self, folder: Path) -> list[str]:
        """What is said about some clean items of a COCO set, each asked about alone: there should be nothing."""
        return list(self._ask({"folder": str(folder), "control": True}))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("quality/peers.py: the peers' Python ended. Run it by hand to see why.")
        return json.loads(line)


# ---- what follows runs in the peers' environment ----

Said = list[tuple[str, str, int | None, str]]  # type, stem of the image ("" for none), annotation id, message


def serve() -> None:
    """Answer questions until there are none."""
    from importlib.metadata import version

    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the packages print is no answer
    print(json.dumps({tool: version(tool.lower()) for tool in TOOLS}), file=out, flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        folder = Path(question["folder"])
        if question.get("all"):
            counts: dict[str, int] = {}
            for kind, *_ in ask_datumaro(folder):
                counts[kind] = counts.get(kind, 0) + 1
            print(json.dumps(counts), file=out, flush=True)
            continue
        if question.get("control"):
            print(json.dumps(control(folder)), file=out, flush=True)
            continue
        answer = {tool: look(tool, folder, question["places"], question["ids"]) for tool in question["tools"]}
        print(json.dumps(answer), file=out, flush=True)


def look(tool: str, folder: Path, places: list[list[str]], ids: list[list[int]]) -> list[list[str]]:
    """What `tool` says about each planted item."""
    if tool == KWCOCO:
        return ask_kwcoco(folder, places, ids)
    if tool == PYCOCOTOOLS:
        return ask_pycocotools(folder, ids)
    said = ask_datumaro(folder)
    source = coco_file(folder)
    if source and any(kind == GAVE_UP for kind, *_ in said):
        document = json.loads(source.read_text())
        return [ask_datumaro_alone(document, item, own) for item, own in zip(places, ids, strict=True)]
    return [about(said, item, own if source else []) for item, own in zip(places, ids, strict=True)]


def control(folder: Path) -> list[str]:
    """Complaints about the first five annotations of a set that is clean."""
    source = coco_file(folder)
    assert source is not None
    document = json.loads(source.read_text())
    names = {row["id"]: f"images/train/{row['file_name']}" for row in document["images"]}
    rows = document["annotations"][:5]
    places, ids = [[names[row["image_id"]]] for row in rows], [[row["id"]] for row in rows]
    said = [
        f"{DATUMARO}: {word}"
        for item, own in zip(places, ids, strict=True)
        for word in ask_datumaro_alone(document, item, own)
        if word.startswith((IMPORT, "InvalidValue", "NegativeLength", "UndefinedLabel"))
    ]
    said += [f"{KWCOCO}: {word}" for words in ask_kwcoco(folder, places, ids) for word in words]
    if "segmentation" in rows[0]:
        said += [f"{PYCOCOTOOLS}: {word}" for words in ask_pycocotools(folder, ids) for word in words]
    return said


def about(said: Said, places: list[str], ids: list[int]) -> list[str]:
    """What is said about an image, and about one of its annotations where ids are known and one is named."""
    stems = {Path(path).stem for path in places if path}
    return [
        f"{kind} {message}"
        for kind, stem, annotation, message in said
        if (stem in stems or (not stem and not stems)) and (annotation is None or not ids or annotation in ids)
    ]


def coco_file(folder: Path) -> Path | None:
    """The annotation file of a COCO set; None for other sets."""
    return next((folder / "annotations").glob("*.json"), None) if (folder / "annotations").exists() else None


def ask_datumaro_alone(document: Any, places: list[str], ids: list[int]) -> list[str]:
    """One item in a set of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / "annotations").mkdir()
        (Path(temporary) / "images/train").mkdir(parents=True)  # without it Datumaro refuses any set
        names = {Path(path).name for path in places if path}
        small = {
            "images": [row for row in document["images"] if row["file_name"] in names],
            "annotations": [row for row in document["annotations"] if row["id"] in ids],
            "categories": document["categories"],
        }
        (Path(temporary) / "annotations/instances_train.json").write_text(json.dumps(small))
        said = ask_datumaro(Path(temporary))
    return [f"{IMPORT if kind == GAVE_UP else kind} {message}" for kind, _, _, message in said]


def ask_datumaro(folder: Path) -> Said:
    """Errors of reading, then the reports of the validator."""
    from datumaro.components.environment import Environment

    said: Said = []
    try:
        dataset, task = load_datumaro(folder, said)
        if dataset is None:
            return said
        validator = Environment().validators[task]()
        for report in validator.generate_reports(validator.compute_statistics(dataset)):
            row = report.to_dict()
            found = re.search(r"Annotation '(\d+)'", row["description"])
            stem = Path(str(row["item_id"])).stem if row.get("item_id") else ""
            kind = row["anomaly_type"] + (" (info)" if row["severity"] == "info" else "")
            said.append((kind, stem, int(found[1]) if found else None, row["description"][:200]))
    except Exception as error:
        said.append((GAVE_UP, "", None, f"{type(error).__name__}: {error}"[:200]))
    return said


def load_datumaro(folder: Path, said: Said) -> tuple[Any, str]:
    """The set and its task; what cannot be read of it is added to `said`."""
    from datumaro.components.dataset import Dataset
    from datumaro.components.importer import ImportErrorPolicy

    source = coco_file(folder)
    text = source.read_text() if source else ""
    stems: dict[str, str] = {}
    if source:
        document = json.loads(text)
        stems = {str(row["id"]): Path(row["file_name"]).stem for row in document["images"]}
        by_id = {row["id"]: row["image_id"] for row in document["annotations"]}
        stems |= {f"a{number}": stems[str(image)] for number, image in by_id.items() if str(image) in stems}

    class Collect(ImportErrorPolicy):
        def _handle_item_error(self, error: Any) -> None:
            note(error, "")

        def _handle_annotation_error(self, error: Any) -> None:
            note(error, "a")

    def note(error: Any, prefix: str) -> None:
        name = str(error.item_id[0])
        stem = stems.get(f"{prefix}{name}", Path(name).stem)
        said.append((IMPORT, stem, int(name) if prefix and source else None, f"{error}: {error.__cause__}"[:200]))

    policy = Collect()
    if source:
        dataset = Dataset.import_from(str(folder), "coco_instances", error_policy=policy)
        return dataset, "segmentation" if '"segmentation": ' in text else "detection"
    if (folder / "SegmentationClass").exists():
        return Dataset.import_from(str(folder), "voc_segmentation", error_policy=policy), "segmentation"
    if (folder / "JPEGImages").exists():
        return Dataset.import_from(str(folder), "voc_detection", error_policy=policy), "detection"
    if (folder / "labels.csv").exists():
        return from_labels(folder), "classification"
    return None, ""


def from_labels(folder: Path) -> Any:
    """Items with labels out of labels.csv and classes.txt, as Datumaro has no such table."""
    import csv

    from datumaro.components.annotation import AnnotationType, Label, LabelCategories
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image

    classes = (folder / "classes.txt").read_text().split("\n")[:-1]
    rows: dict[str, list[Any]] = {
        path.relative_to(folder).as_posix(): [] for path in (folder / "images").rglob("*") if path.is_file()
    }
    with (folder / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            label = classes.index(row["label"]) if row["label"] in classes else len(classes)
            rows.setdefault(row["path"], []).append(Label(label))
    items = [
        DatasetItem(id=Path(path).stem, annotations=labels, media=Image.from_file(path=str(folder / path)))
        for path, labels in rows.items()
    ]
    return Dataset.from_iterable(items, categories={AnnotationType.label: LabelCategories.from_iterable(classes)})


def ask_kwcoco(folder: Path, places: list[list[str]], ids: list[list[int]]) -> list[list[str]]:
    """Each item in a document of its own."""
    import kwcoco

    source = coco_file(folder)
    document = json.loads(source.read_text()) if source else None
    answers = []
    for number, item in enumerate(places):
        wanted = set(ids[number]) if number < len(ids) else set()
        small: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
        if document is None:
            small["images"] = [{"id": at, "file_name": str(folder / path)} for at, path in enumerate(item, start=1)]
        else:
            names = {Path(path).name for path in item if path}
            small["images"] = [
                {**row, "file_name": str(folder / "images/train" / row["file_name"])}
                for row in document["images"]
                if row["file_name"] in names
            ]
            small["annotations"] = [row for row in document["annotations"] if row["id"] in wanted]
            small["categories"] = document["categories"]
        try:
            result = kwcoco.CocoDataset(small).validate(corrupted=True, verbose=0)
            answers.append([str(error)[:200] for error in result["errors"]])
        except Exception as error:
            answers.append([f"{type(error).__name__}: {error}"[:200]])
    return answers


def ask_pycocotools(folder: Path, ids: list[list[int]]) -> list[list[str]]:
    """Each annotation drawn in a process of its own."""
    from pycocotools.coco import COCO

    source = coco_file(folder)
    if source is None:
        return [[] for _ in ids]
    coco = COCO(str(source))
    answers: list[list[str]] = []
    for numbers in ids:
        failed = [number for number in numbers if _fails(coco, number)]
        answers.append(["exception"] * bool(failed))
    return answers


def _fails(coco: Any, number: int) -> bool:
    child = os.fork()
    if child == 0:
        try:
            coco.annToMask(coco.anns[number])
        except Exception:
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 3


if __name__ == "__main__":
    serve()
