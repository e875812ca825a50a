"""Where YOLO keeps its label files, class names and subsets: data.yaml, Darknet's obj.data, or folders alone."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import yaml

from datatools.formats.base import Row
from datatools.formats.documents import BrokenFileError, parse_yaml
from datatools.formats.locate import clean_path, is_image
from datatools.formats.yolo_lines import lines_of
from datatools.tree import Tree, UnreadableFileError

SUBSETS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "minival": "minival"}
LABEL_FOLDERS = ("labels", "annotations")
NAME_FILES = ("classes.txt", "_darknet.labels")  # the latter as Roboflow calls it
NOT_SUBSETS = frozenset({"path", "names", "nc", "download", "yaml_file", "channels", "classes", "backup"})
NUMERIC_LINE = re.compile(rb"(\xef\xbb\xbf)?\s*[-+]?\d+(\.0*)?([ \t]+[-+.\deE]+){4,}\s*(\n|\r|$)")
YAML_KEYS = (re.compile(rb"^names\s*:", re.M), re.compile(rb"^(train|val|test|nc|path)\s*:", re.M))
DATA_KEYS = (re.compile(rb"^\s*names\s*=", re.M), re.compile(rb"^\s*(train|valid|classes)\s*=", re.M))
MAX_CLASSES = 100_000  # more are taken for an attack
N_LOOKED_AT = 20  # label files of a folder, to tell whether they are YOLO's


@dataclass
class YoloConfig:
    """What data.yaml or obj.data says: subset -> folders and lists as they are written there."""

    names: dict[int, str] | None = None
    names_file: str | None = None
    subsets: dict[str, list[str]] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)
    root: str = ""
    nc: Any = None


def find_yolo(tree: Tree) -> list[str]:
    """data.yaml, obj.data and what they name; label files that belong to images, or lie in `labels`, and class names."""
    configs = [path for path in tree.sizes if _is_config(tree, path)]
    named: set[str] = set()
    for path in configs:
        try:
            named.update(named_files(tree, path, _read_config(tree, path)))
        except (BrokenFileError, UnreadableFileError):
            continue
    texts = [path for path in tree.sizes if path.endswith(".txt") and path not in named and not has_names(path)]
    labels = _labels_among(tree, texts, sure=bool(configs))
    if not configs and not labels:
        return []
    folders = _folders_above(labels)
    names = {path for path in tree.sizes if has_names(path) and posixpath.dirname(path) in folders}
    return sorted({*configs, *named, *labels, *names})


def match_labels(images: Iterable[str], labels: Collection[str]) -> dict[str, str]:
    """Image path -> its label file."""
    exact, loose = set(labels), {_fold_folders(path): path for path in sorted(labels, reverse=True)}
    stems = {_stem(path) for path in labels}
    found: dict[str, str] = {}
    for path in images:
        if _stem(path) not in stems:
            continue
        for candidate in label_paths(path):
            label = candidate if candidate in exact else loose.get(_fold_folders(candidate))
            if label is not None:
                found[path] = label
                break
    return found


def _stem(path: str) -> str:
    return posixpath.splitext(posixpath.basename(path))[0]


def _fold_folders(path: str) -> tuple[str, str]:
    folder, name = posixpath.split(path)
    return folder.casefold(), name


def label_paths(image: str) -> Iterator[str]:
    """Where the label file of an image may lie, the likeliest first."""
    folders = list(PurePosixPath(image).parts[:-1])
    name = f"{PurePosixPath(image).stem}.txt"
    for spelling in (str, str.casefold):
        at = max((n for n, folder in enumerate(folders) if spelling(folder) == "images"), default=None)
        for other in LABEL_FOLDERS if at is not None else ():
            yield posixpath.join(*folders[:at], other, *folders[(at or 0) + 1 :], name)
    yield posixpath.join(*folders, name)
    yield posixpath.join(*folders, LABEL_FOLDERS[0], name)
    if folders:
        yield posixpath.join(*folders[:-1], LABEL_FOLDERS[0], name)


def _labels_among(tree: Tree, texts: Sequence[str], sure: bool) -> set[str]:
    """The text files that are YOLO's: by their place beside images, and by their first line."""
    by_folder: dict[str, list[str]] = {}
    matched = sorted(set(match_labels(filter(is_image, tree.sizes), texts).values()))
    for path in matched:
        by_folder.setdefault(posixpath.dirname(path), []).append(path)
    verdicts = {folder: _looks_numeric(tree, paths) for folder, paths in by_folder.items()}
    sure = sure or True in verdicts.values()
    kept = {
        path
        for folder, paths in by_folder.items()
        if verdicts[folder] or (sure and verdicts[folder] is None) or (sure and _in_labels(paths[0]))
        for path in paths
    }
    orphans = [path for path in texts if _in_labels(path) and path not in kept] if sure else []
    return kept | {path for path in orphans if _looks_numeric(tree, [path])}


def _in_labels(path: str) -> bool:
    return any(part.casefold() == "labels" for part in PurePosixPath(path).parts[:-1])


def _looks_numeric(tree: Tree, paths: Sequence[str]) -> bool | None:
    """Whether most of the first files with content start with a line of numbers; None where all are empty."""
    filled = [path for path in paths if tree.sizes[path]][:N_LOOKED_AT]
    hits = [NUMERIC_LINE.match(data) is not None for data in (_try_read(tree, path) for path in filled) if data.strip()]
    return sum(hits) * 2 > len(hits) if hits else None


def _try_read(tree: Tree, path: str) -> bytes:
    try:
        return tree.peek(path)
    except UnreadableFileError:
        return b""


def read_text(tree: Tree, path: str, rejected: list[Row]) -> str | None:
    """The text of a file; None, and a row in `rejected`, where it cannot be read or is not UTF-8."""
    try:
        return tree.read(path).decode("utf-8-sig")
    except (UnreadableFileError, UnicodeDecodeError) as error:
        rejected.append({"source": path, "reason": "broken_file", "message": f"not UTF-8 text: {error}"})
        return None


# ---- data.yaml, obj.data, names ----


def _is_config(tree: Tree, path: str) -> bool:
    suffix = PurePosixPath(path).suffix.lower()
    keys = YAML_KEYS if suffix in (".yaml", ".yml") else DATA_KEYS if suffix == ".data" else ()
    if not keys:
        return False
    data = _try_read(tree, path)
    return all(key.search(data) for key in keys)


def has_names(path: str) -> bool:
    """Whether a file of this name has a class name a line."""
    return path.endswith(".names") or posixpath.basename(path) in NAME_FILES


def read_configs(tree: Tree, files: Sequence[str], rejected: list[Row]) -> dict[str, YoloConfig]:
    """The configurations by path, the uppermost first; one that names other classes than the first is left out."""
    configs: dict[str, YoloConfig] = {}
    suffixes = (".yaml", ".yml", ".data")
    for path in sorted((path for path in files if path.lower().endswith(suffixes)), key=lambda p: (p.count("/"), p)):
        try:
            config = _read_config(tree, path)
            first = next(iter(configs.items()), None)
            if first and config.names != first[1].names:
                raise BrokenFileError(f"its names are not those of {first[0]}: bring one data set at a time")
            if config.nc is not None and config.names is not None and config.nc != len(config.names):
                rejected.append(_broken(path, f"nc is {config.nc!r:.40}, but there are {len(config.names)} names"))
            configs[path] = config
        except (BrokenFileError, UnreadableFileError) as error:
            rejected.append({"source": path, "reason": "broken_file", "message": str(error)})
    return configs


def _read_config(tree: Tree, path: str) -> YoloConfig:
    data = tree.read(path)
    return _parse_data(data) if path.lower().endswith(".data") else _parse_data_yaml(data)


def _parse_data_yaml(data: bytes) -> YoloConfig:
    document = parse_yaml(data)
    if not isinstance(document, dict):
        raise BrokenFileError("expected keys and values such as names and train")
    names, names_file = _parse_names(data)
    config = YoloConfig(names, names_file, root=str(document.get("path") or ""), nc=document.get("nc"))
    for key, value in document.items():
        entries = [value] if isinstance(value, str) else value
        if isinstance(key, str) and (key in SUBSETS or entries == [f"images/{key}"]):
            entries = [] if entries is None else entries
            if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
                raise BrokenFileError(f"{key} must be a folder, a list of folders or a .txt file, got {value!r:.60}")
            config.subsets.setdefault(SUBSETS.get(key, key), []).extend(entries)
        elif key not in NOT_SUBSETS:
            config.extras[str(key)] = _as_json(value)
    return config


def _as_json(value: Any) -> Any:
    """YAML also has dates, sets and bytes: they are kept as text."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    is_plain = value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))
    return value if is_plain else str(value)


def _parse_names(data: bytes) -> tuple[dict[int, str] | None, str | None]:
    """Class names as they are written: `no` and `1.0` are names here, not a boolean and a number."""
    try:
        value = yaml.load(data.decode("utf-8-sig"), Loader=yaml.BaseLoader).get("names")
    except (yaml.YAMLError, ValueError) as error:
        raise BrokenFileError(f"not YAML: {error}") from error
    if isinstance(value, str):
        return None, value or None
    items = value.items() if isinstance(value, dict) else enumerate(value or ())
    names = {}
    for key, name in items:
        if not str(key).isdecimal() or len(str(key)) > 9 or not isinstance(name, str):
            raise BrokenFileError(f"names must be a list of names or number: name, got {key!r:.40}: {name!r:.40}")
        names[int(key)] = name
    return dict(sorted(names.items())), None


def _parse_data(data: bytes) -> YoloConfig:
    try:
        pairs = [line.split("=", 1) for line in lines_of(data.decode("utf-8-sig")) if "=" in line]
    except UnicodeDecodeError as error:
        raise BrokenFileError(f"not UTF-8 text: {error}") from error
    values = {key.strip(): value.strip() for key, value in pairs}
    subsets = {SUBSETS[key]: [value] for key, value in values.items() if key in SUBSETS and value}
    extras = {key: value for key, value in values.items() if key not in SUBSETS and key not in NOT_SUBSETS}
    return YoloConfig(None, values.get("names"), subsets, extras)


def find_names(
    tree: Tree, files: Sequence[str], configs: Mapping[str, YoloConfig], rejected: list[Row]
) -> dict[int, str] | None:
    """Class names by number, from the first configuration that has some, else from the uppermost file of names."""
    for path, config in configs.items():
        if config.names is not None:
            return config.names
        if config.names_file:
            found = _locate(config.names_file, path, config, tree.sizes)
            if found is not None:
                return _read_names(tree, found, rejected)
            rejected.append(_broken(path, f"names: there is no file {config.names_file!r:.60} here"))
        elif type(config.nc) is int and 0 < config.nc < MAX_CLASSES:
            return {number: f"class_{number}" for number in range(config.nc)}
    folders = _folders_above(files)
    known = [path for path in tree.sizes if has_names(path) and posixpath.dirname(path) in folders]
    known.sort(key=lambda path: (path.count("/"), path))
    return _read_names(tree, known[0], rejected) if known else None


def _folders_above(paths: Iterable[str]) -> set[str]:
    """The folders of `paths` and all above them, the root as ""."""
    return {"", *(parent.as_posix() for path in paths for parent in PurePosixPath(path).parents)} - {"."}


def _read_names(tree: Tree, path: str, rejected: list[Row]) -> dict[int, str] | None:
    text = read_text(tree, path, rejected)
    names = {number: line.strip() for number, line in enumerate(lines_of(text)) if line.strip()}
    return names if text is not None else None


def kpt_shape_of(extras: Mapping[str, Any]) -> tuple[int, int] | None:
    """Keypoints an object and numbers a keypoint; None where data.yaml speaks of none."""
    shape = extras.get("kpt_shape")
    if isinstance(shape, list) and len(shape) == 2 and type(shape[0]) is int and shape[0] > 0 and shape[1] in (2, 3):
        return shape[0], int(shape[1])
    return None


# ---- subsets ----


def find_subsets(tree: Tree, configs: Mapping[str, YoloConfig], rejected: list[Row]) -> dict[str, list[str]]:
    """Image path -> the subsets that the configurations put it in; images that only a list names are there too."""
    images = set(filter(is_image, tree.sizes))
    all_folders = {parent.as_posix() for path in images for parent in PurePosixPath(path).parents}
    listed: dict[str, list[str]] = {}
    folders: dict[str, list[str]] = {}
    for path, config in configs.items():
        for subset, entry in [(subset, entry) for subset, entries in config.subsets.items() for entry in entries]:
            is_list = entry.endswith(".txt")
            found = _locate(entry, path, config, tree.sizes if is_list else all_folders)
            if found is None:
                kind = "file" if is_list else "folder of images"
                rejected.append(_broken(path, f"{subset}: there is no {kind} {entry!r:.60} here"))
            elif is_list:
                for image in _listed_images(tree, found, images, rejected):
                    _add(listed, image, subset)
            else:
                _add(folders, found, subset)
    for image in images - set(listed) if folders else ():
        nearest = next((p.as_posix() for p in PurePosixPath(image).parents if p.as_posix() in folders), None)
        if nearest is not None:
            listed[image] = folders[nearest]
    return listed


def _add(found: dict[str, list[str]], key: str, subset: str) -> None:
    subsets = found.setdefault(key, [])
    if subset not in subsets:
        subsets.append(subset)


def _listed_images(tree: Tree, path: str, images: Collection[str], rejected: list[Row]) -> Iterator[str]:
    for line in lines_of(read_text(tree, path, rejected)):
        if line.strip():
            yield _resolve(line.strip(), path, images) or clean_path(line.strip())


def named_files(tree: Tree, path: str, config: YoloConfig) -> Iterator[str]:
    """The files of the tree that a configuration names: lists of images, and names."""
    entries = [entry for entries in config.subsets.values() for entry in entries if entry.endswith(".txt")]
    for entry in [*entries, *([config.names_file] if config.names_file else [])]:
        found = _locate(entry, path, config, tree.sizes)
        if found is not None:
            yield found


def _locate(name: str, path: str, config: YoloConfig, known: Collection[str]) -> str | None:
    """What a configuration at `path` means by `name`: below its own `path:` first."""
    if config.root:
        found = _resolve(name, posixpath.join(posixpath.dirname(path), clean_path(config.root), "x"), known)
        if found is not None:
            return found
    return _resolve(name, path, known)


def _resolve(name: str, near: str, known: Collection[str]) -> str | None:
    """The file or folder of the tree that `name` means: from `near` and the folders above it, then by its last parts."""
    parts = [part for part in clean_path(name).split("/") if part]
    bases = [parent.as_posix() for parent in PurePosixPath(near).parents] or ["."]
    for start in range(max(1, len(parts))):
        for base in bases:
            found = posixpath.normpath(posixpath.join(base, *parts[start:]))
            if found in known:
                return found
    return None


def subset_of_folder(path: str) -> list[str]:
    """The subset that the first folder called train, val or test above an image says; an empty list where there is none."""
    parts = [SUBSETS[part.casefold()] for part in PurePosixPath(path).parts[:-1] if part.casefold() in SUBSETS]
    return parts[:1]


def _broken(source: str, message: str) -> Row:
    return {"source": source, "reason": "broken_row", "message": message}
