"""Annotation files made to do harm: small trees by name, each with the image a.png where its format looks for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.builders import coco_text, make_coco, make_object
from tests.hostile import PNG

Files = dict[str, bytes | str]
DEEP = 100_000
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
VOC = (
    "<annotation><filename>a.png</filename><size><width>12</width><height>10</height><depth>3</depth></size><object>"
    "<name>cat</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object></annotation>"
)
CVAT = (
    '<annotations><version>1.1</version><image id="0" name="a.png" width="12" height="10">'
    '<tag label="cat" source="manual"></tag></image></annotations>'
)
NUMBERS = {
    "nan": "NaN",
    "infinite": "Infinity",
    "too large": "1e999",
    "endless": "9" * 5000,
    "text": '"1"',
    "none": "null",
}
RUNS: dict[str, Any] = {
    "too few": {"size": [10, 12], "counts": [100]},
    "too many": {"size": [10, 12], "counts": [100, 100]},
    "negative": {"size": [10, 12], "counts": [-1, 121]},
    "negative size": {"size": [-10, -12], "counts": [120]},
    "huge size": {"size": [100_000, 100_000], "counts": [10_000_000_000]},
    "no size": {"counts": [120]},
    "size of text": {"size": ["10", "12"], "counts": [120]},
    "garbage": {"size": [10, 12], "counts": "\u00ff\u0000~~~"},
    "cut": {"size": [10, 12], "counts": "PPYo"},
    "endless number": {"size": [10, 12], "counts": "o" * 1000},
    "of objects": {"size": [10, 12], "counts": [{}]},
}


def hostile_annotations(outside: Path) -> dict[str, Files]:
    """All of them; some name files below `outside`."""
    return {
        **{f"coco: {name}": {"a.png": PNG, "annotations.json": text} for name, text in _coco(outside).items()},
        **{f"voc: {name}": _voc(text) for name, text in _xml(*VOC.split("cat"), outside).items()},
        **{f"voc: {name}": _voc(text) for name, text in _voc_values(outside).items()},
        **{
            f"cvat: {name}": {"a.png": PNG, "annotations.xml": text}
            for name, text in _xml(*CVAT.split("cat"), outside).items()
        },
        **{f"cvat: {name}": {"a.png": PNG, "annotations.xml": text} for name, text in _cvat(outside).items()},
        **{f"yolo: {name}": files for name, files in _yolo(outside).items()},
        **{f"labelme: {name}": {"a.png": PNG, "a.json": text} for name, text in _labelme(outside).items()},
        **{
            f"label studio: {name}": {"a.png": PNG, "tasks.json": text} for name, text in _label_studio(outside).items()
        },
        **{f"tables: {name}": {"a.png": PNG, **files} for name, files in _tables(outside).items()},
        **{f"masks: {name}": files for name, files in _masks().items()},
    }


def _json(known: str) -> dict[str, bytes | str]:
    """Broken or hostile JSON that has the words a format is known by."""
    return {
        "not UTF-8": known.encode() + b"\xff",
        "UTF-16": known.encode("utf-16"),
        "cut": known[:-9],
        "two documents": known * 2,
        "deep": known[:-1] + ', "x": ' + "[" * DEEP + "]" * DEEP + "}",
        "cut in the deep": known[:-1] + ', "x": ' + '{"a":' * DEEP,
        "half a character": known[:-1] + ', "x": "\\ud800"}',
        "endless number": known[:-1] + f', "x": {"9" * 100_000}}}',
        "key twice": known[:-1] + ", " + known[1:],
        "trailing comma": known[:-1] + ",}",
        "zero bytes": known.encode() + bytes(100),
    }


def _coco(outside: Path) -> dict[str, bytes | str]:
    cases: dict[str, bytes | str] = _json(coco_text(make_object()))
    for name, number in NUMBERS.items():
        cases[f"{name} in a box"] = coco_text(make_object()).replace("[1, 2, 3, 4]", f"[1, 2, {number}, 4]")
        cases[f"{name} as id"] = coco_text(make_object(id=987)).replace("987", number)
        cases[f"{name} as width"] = coco_text(
            make_object(), images=[{"id": 1, "file_name": "a.png", "width": 987}]
        ).replace("987", number)
    for name, rle in RUNS.items():
        cases[f"run lengths {name}"] = coco_text(make_object(segmentation=rle))
    for name, value in {
        "object": {},
        "text": "x",
        "number": 5,
        "empty": [],
        "deep": [[[[]]]],
        "odd": [[1, 2, 3]],
    }.items():
        cases[f"{name} as polygon"] = coco_text(make_object(segmentation=value))
        cases[f"{name} as box"] = coco_text(make_object(bbox=value))
        cases[f"{name} as image_id"] = coco_text(make_object(image_id=value))
        cases[f"{name} as images"] = json.dumps(make_coco(make_object()) | {"images": value})
        cases[f"{name} as annotations"] = json.dumps(make_coco() | {"annotations": value})
        cases[f"{name} as annotation"] = json.dumps(make_coco() | {"annotations": [value]})
        cases[f"{name} as image"] = json.dumps(make_coco(make_object()) | {"images": [value]})
        cases[f"{name} as category"] = json.dumps(make_coco(make_object()) | {"categories": [value]})
    for name in _names(outside):
        cases[f"image called {name[:20]!r}"] = coco_text(make_object(), images=[{"id": 1, "file_name": name}])
    return cases


def _names(outside: Path) -> list[str]:
    """Names of images that lead out of the tree, or nowhere."""
    secret = outside / "secret.png"
    return [
        f"../{outside.name}/secret.png", str(secret), f"file://{secret}", "http://localhost:9/a.png", "", "/", "..", "a\0b",
        "\n", "x" * 10_000, f"C:\\{outside.name}\\secret.png", "\\\\server\\share\\a.png", f"/data/local-files/?d={secret}",
        "/dev/zero", "<script>alert(1)</script>.png", "$(touch x).png", "\u202egnp.a",
    ]  # fmt: skip


def _xml(head: str, tail: str, outside: Path) -> dict[str, bytes | str]:
    """Broken or hostile XML; the name of a class belongs between `head` and `tail`, a good document of a format."""
    body = f"{head}cat{tail}"
    root = head[1 : head.index(">")]
    secret = (outside / "secret.png").as_uri()
    return {
        "entities": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>{head}&l9;{tail}',
        "long entity": f'<!DOCTYPE x [<!ENTITY a "{"a" * 10**6}">]>{head}{"&a;" * 1000}{tail}',
        "file as entity": f'<!DOCTYPE x [<!ENTITY a SYSTEM "{secret}">]>{head}&a;{tail}',
        "parameter entity": f'<!DOCTYPE x [<!ENTITY % a SYSTEM "{secret}"> %a;]>{body}',
        "DTD elsewhere": f'<!DOCTYPE x SYSTEM "{secret}">{body}',
        "unknown entity": f"{head}&who;{tail}",
        "included": f'<{root} xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{secret}"/>{body[len(root) + 2 :]}',
        "deep": body.replace(f"</{root}>", "<a>" * DEEP + "</a>" * DEEP + f"</{root}>"),
        "cut": body[:-5],
        "not UTF-8": body.encode().replace(b"cat", b"\xff"),
        "unknown encoding": f'<?xml version="1.0" encoding="x-none"?>{body}',
        "UTF-16": body.encode("utf-16"),
        "UTF-7": f'<?xml version="1.0" encoding="utf-7"?>{body}',
        "control characters": f"{head}\x08{tail}",
        "many attributes": body.replace(f"<{root}>", f"<{root} " + " ".join(f'a{n}="1"' for n in range(50_000)) + ">"),
        "two roots": body * 2,
        "empty": f"<{root}/>",
        "long name": f"{head}{'cat' * 10**6}{tail}",
    }


def _voc(text: bytes | str) -> Files:
    return {"JPEGImages/a.png": PNG, "Annotations/a.xml": text}


def _voc_values(outside: Path) -> dict[str, bytes | str]:
    def document(name: str = "a.png", x: str = "1", size: str = "12") -> str:
        return VOC.replace("a.png", name).replace("<xmin>1", f"<xmin>{x}").replace("<width>12", f"<width>{size}")

    values = {**NUMBERS, "word": "x", "hexadecimal": "0x10", "underlined": "1_0", "Arabic digit": "\u0661", "empty": ""}
    cases: dict[str, bytes | str] = {f"{name} in a box": document(x=value) for name, value in values.items()}
    cases |= {f"{name} as size": document(size=value) for name, value in values.items()}
    names = [name for name in _names(outside) if not set(name) & set("\0<")]
    return cases | {f"image called {name[:20]!r}": document(name=name) for name in names}


def _cvat(outside: Path) -> dict[str, bytes | str]:
    def document(image: str = 'name="a.png" width="12" height="10"', shape: str = "") -> str:
        return f'<annotations><version>1.1</version><image id="0" {image}>{shape}</image></annotations>'

    cases: dict[str, bytes | str] = {}
    for name, value in {**NUMBERS, "word": "x"}.items():
        value = value.strip('"')
        cases[f"{name} in a box"] = document(shape=f'<box label="cat" xtl="{value}" ytl="1" xbr="2" ybr="3"/>')
        cases[f"{name} in a polygon"] = document(shape=f'<polygon label="cat" points="1,2;{value},3;4,4"/>')
        box = f'left="{value}" top="0" width="3" height="1"'
        cases[f"{name} in a mask"] = document(shape=f'<mask label="cat" rle="1,1,1" {box}/>')
        cases[f"{name} as width"] = document(image=f'name="a.png" width="{value}" height="10"')
    for rle in ("9,9", "-1,4", "1,1", "x", "", "1e3"):
        cases[f"run lengths {rle!r}"] = document(
            shape=f'<mask label="cat" rle="{rle}" left="0" top="0" width="3" height="1"/>'
        )
    names = [name for name in _names(outside) if not set(name) & set("\0<\n&")]
    return cases | {f"image called {name[:20]!r}": document(image=f'name="{name}"') for name in names}


def _yolo(outside: Path) -> dict[str, Files]:
    def tree(
        yaml: bytes | str = "names: [cat, dog]\ntrain: images\n", labels: bytes | str = "0 .5 .5 .2 .2\n"
    ) -> Files:
        return {"data.yaml": yaml, "images/a.png": PNG, "labels/a.txt": labels}

    yamls = {
        "aliases": "names: &a [x]\nb: *a\n",
        "laughs": "a: &a [l]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{f'*{chr(97 + n)},' * 9}]\n" for n in range(9))
        + "names: *j\n",
        "python object": "names: !!python/object/apply:os.system ['touch x']\n",
        "deep": "names: " + "[" * 5000 + "]" * 5000,
        "number": "names: 5\n",
        "nothing": "names:\n",
        "objects": "names: [{a: 1}, [2]]\n",
        "key twice": "names: [a]\nnames: [b]\n",
        "huge index": "names: {1000000000000: a}\n",
        "negative index": "names: {-1: a}\n",
        "norway": "names: [no, 1.10, 12:30:45, 2020-01-01, null]\n",
        "tab": "names:\n\t- a\n",
        "not UTF-8": b"names: [\xff]\n",
        "many classes": "names: []\nnc: 1000000000000\n",
        "path outside": f"names: [cat]\npath: ../{outside.name}\ntrain: .\n",
        "absolute path": f"names: [cat]\npath: {outside}\ntrain: {outside}\n",
        "list outside": f"names: [cat]\ntrain: ../{outside.name}/list.txt\n",
        "download": "names: [cat]\ndownload: bash -c 'touch x'\n",
    }
    lines = {
        **{name: f"0 {value} .5 .2 .2\n" for name, value in NUMBERS.items()},
        "huge class": f"{10**30} .5 .5 .2 .2\n",
        "negative class": "-1 .5 .5 .2 .2\n",
        "class 1.5": "1.5 .5 .5 .2 .2\n",
        "unknown class": "7 .5 .5 .2 .2\n",
        "too few": "0 .5\n",
        "too many": "0 " + ".5 " * 100_001 + "\n",
        "words": "cat .5 .5 .2 .2\n",
        "zero bytes": b"0 .5 .5 .2 .2\n" + bytes(100),
        "not UTF-8": b"\xff\xfe0 .5 .5 .2 .2",
        "huge exponent": "0 1e-400 1e400 .2 .2\n",
        "long digits": f"0 0.{'5' * 100_000} .5 .2 .2\n",
        "carriage returns": "0 .5 .5 .2 .2\r0 .5 .5 .2 .2\r",
        "control characters": "0 .5 .5\x0b.2\x0c.2\x1c\u2028\n",
    }
    return {
        **{f"yaml {name}": tree(yaml=text) for name, text in yamls.items()},
        **{f"line {name}": tree(labels=text) for name, text in lines.items()},
    }


def _labelme(outside: Path) -> dict[str, bytes | str]:
    def document(**changes: Any) -> dict[str, Any]:
        shape = {
            "label": "cat",
            "points": [[1, 2], [3, 4], [5, 1]],
            "shape_type": "polygon",
            "flags": {},
            "group_id": None,
        }
        return {
            "version": "5",
            "flags": {},
            "shapes": [shape | changes],
            "imagePath": "a.png",
            "imageData": None,
            "imageHeight": 10,
            "imageWidth": 12,
        }

    cases: dict[str, bytes | str] = _json(json.dumps(document()))
    for name, number in NUMBERS.items():
        cases[f"{name} in a point"] = json.dumps(document(points=[[987, 1], [2, 3], [4, 5]])).replace("987", number)
        cases[f"{name} as height"] = json.dumps(document() | {"imageHeight": 987}).replace("987", number)
    for name, value in {
        "object": {},
        "text": "x",
        "number": 5,
        "nothing": None,
        "deep": [[[[1]]]],
        "empty": [],
    }.items():
        cases[f"{name} as points"] = json.dumps(document(points=value))
        cases[f"{name} as label"] = json.dumps(document(label=value))
        cases[f"{name} as shape_type"] = json.dumps(document(shape_type=value))
        cases[f"{name} as mask"] = json.dumps(document(shape_type="mask", mask=value, points=[[0, 0], [2, 2]]))
        cases[f"{name} as flags"] = json.dumps(document(flags=value))
        cases[f"{name} as shapes"] = json.dumps(document() | {"shapes": value})
        cases[f"{name} as shape"] = json.dumps(document() | {"shapes": [value]})
        cases[f"{name} as imagePath"] = json.dumps(document() | {"imagePath": value})
        cases[f"{name} as imageData"] = json.dumps(document() | {"imageData": value})
    for name in _names(outside):
        cases[f"image called {name[:20]!r}"] = json.dumps(document() | {"imagePath": name})
    return cases


def _label_studio(outside: Path) -> dict[str, bytes | str]:
    def document(image: Any = "a.png", **changes: Any) -> str:
        value = {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["cat"]}
        result = {"id": "r", "type": "rectanglelabels", "from_name": "l", "to_name": "i", "value": value}
        result |= {"original_width": 12, "original_height": 10, **changes}
        return json.dumps([{"id": 1, "data": {"image": image}, "annotations": [{"id": 2, "result": [result]}]}])

    cases: dict[str, bytes | str] = {}
    for name, number in NUMBERS.items():
        cases[f"{name} in a box"] = document(value={"x": 987, "y": 2, "width": 3, "height": 4}).replace("987", number)
        cases[f"{name} as size"] = document(original_width=987).replace("987", number)
    brush = {"format": "rle", "brushlabels": ["cat"]}
    for name, rle in {
        "garbage": [255] * 50,
        "empty": [],
        "text": "x",
        "negative": [-1],
        "bomb": [255, 255, 255, 255, 0x7F],
    }.items():
        cases[f"run lengths {name}"] = document(type="brushlabels", value={**brush, "rle": rle})
    sizes = {"original_width": 10**6, "original_height": 10**6}
    cases["huge brush"] = document(type="brushlabels", value={**brush, "rle": [0] * 20}, **sizes)
    for name, value in {"object": {}, "text": "x", "number": 5, "nothing": None, "list": [[1]]}.items():
        cases[f"{name} as value"] = document(value=value)
        cases[f"{name} as type"] = document(type=value)
        cases[f"{name} as image"] = document(image=value)
        cases[f"{name} as result"] = json.dumps(
            [{"id": 1, "data": {"image": "a.png"}, "annotations": [{"result": value}]}]
        )
        cases[f"{name} as annotations"] = json.dumps([{"id": 1, "data": {"image": "a.png"}, "annotations": value}])
        cases[f"{name} as data"] = json.dumps([{"id": 1, "data": value, "annotations": []}])
        cases[f"{name} as task"] = json.dumps([json.loads(document())[0], value])
    return cases | {f"image called {name[:20]!r}": document(image=name) for name in _names(outside)}


def _tables(outside: Path) -> dict[str, Files]:
    labels: dict[str, bytes | str] = {
        "zero byte": "path,label\na\0.png,cat\n",
        "open quote": 'path,label\n"a.png,cat\n',
        "long field": "path,label\na.png," + "c" * 200_000 + "\n",
        "no header": "",
        "header twice": "path,path,label\na.png,a.png,cat\n",
        "ragged": "path,label\na.png\na.png,cat,dog\n",
        "not UTF-8": b"path,label\na.png,\xff\n",
        "UTF-16": "path,label\na.png,cat\n".encode("utf-16"),
        "formula": "path,label\na.png,\"=cmd|'/c calc'!A1\"\n",
        "newline in a label": 'path,label\na.png,"c\na\nt"\n',
        "path outside": f"path,label\n../{outside.name}/secret.png,cat\n{outside}/secret.png,cat\n",
        "carriage returns": "path,label\ra.png,cat\r",
    }
    cases: dict[str, Files] = {name: {"labels/anna.csv": text} for name, text in labels.items()}
    for name, text in labels.items():
        cases[f"metadata {name}"] = {"metadata.csv": text}
        cases[f"labels.csv {name}"] = {"labels.csv": text}
    for name, data in {"broken": b"PAR1 no table PAR1", "cut": b"PAR1"}.items():
        cases[f"parquet {name}"] = {"labels.parquet": data}
    return cases


def _masks() -> dict[str, Files]:
    good = {"images/a.png": PNG}
    return {
        "cut": {**good, "masks/a.png": PNG[:-20]},
        "no picture": {**good, "masks/a.png": b"x"},
        "in colour": {**good, "masks/a.png": PNG},
        "VOC, cut": {
            "JPEGImages/a.png": PNG,
            "SegmentationClass/a.png": PNG[:-20],
            "labelmap.txt": "# x\ncat:1,2:3:\n",
        },
        "VOC, lists": {"JPEGImages/a.png": PNG, "ImageSets/Main/train.txt": b"\xff\n../a\n" + b"x" * 10**5},
        "class list": {"cat/a.png": PNG, "classes.txt": b"\xff\xfe\n\n"},
    }
