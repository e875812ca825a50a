"""The verdict of the report: one sentence and a row each for data, findings, split and model."""

from __future__ import annotations

from typing import Any

from datatools.report.words import is_number, plural, visible

Section = dict[str, Any]
GOOD, BAD, SAME, CHANGED, UNKNOWN = "good", "look", "same", "changed", "unknown"
MOST = 3  # kinds of change that the sentence names
NAMED = "relabelled"  # this one always
WORDS = {  # kind of change -> words for one and for several
    "image added": ("image added", "images added"),
    "image removed": ("image removed", "images removed"),
    "image renamed": ("image renamed", "images renamed"),
    "image changed": ("image with other pixels", "images with other pixels"),
    "metadata changed": ("image with other metadata", "images with other metadata"),
    "split moved": ("image on another side of the split", "images on another side of the split"),
    "annotation added": ("annotation added", "annotations added"),
    "annotation removed": ("annotation removed", "annotations removed"),
    "relabelled": ("annotation relabelled", "annotations relabelled"),
    "moved": ("box moved", "boxes moved"),
    "reshaped": ("annotation reshaped", "annotations reshaped"),
    "annotator changed": ("annotator changed", "annotators changed"),
    "attributes changed": ("annotation with other attributes", "annotations with other attributes"),
}


def write_verdict(document: Section) -> Section:
    """`sentence` and `rows` (what, state, text) of a report; a part that the document lacks has no row.

    State is good, look (a person should), same, changed or unknown. The sentence claims of the model no more than its interval.
    """
    makers = (_data, _findings, _split, _test_set, _model)
    rows = [row for maker in makers if (row := maker(document)) is not None]
    for side in ("before", "after"):
        stale = document["versions"][side]["stale"]
        if stale:
            rows.insert(0, _row("State", BAD, f"{side} is out of date: {stale}. Run dvc repro"))
    return {"sentence": _write_sentence(document), "rows": rows}


def list_kinds(by_kind: Section, most: int = len(WORDS)) -> str:
    """`50 annotations relabelled, 3 images added`: the most frequent kinds first, and how many changes the others are.

    A relabelling is always named: it changes what the model is told, however many images came in beside it.
    """
    ranked = sorted(by_kind.items(), key=lambda item: -item[1])
    names = [kind for kind, _ in ranked[:most]]
    if NAMED in by_kind and NAMED not in names:
        names[-1] = NAMED
    parts = [plural(by_kind[kind], *WORDS[kind]) for kind in names]
    rest = sum(n for kind, n in ranked if kind not in names)
    return ", ".join(parts) + (f" and {plural(rest, 'other change')}" if rest else "")


def write_difference(found: Section) -> str:
    """`+0.4 percentage points (-0.8 to +1.6)`."""
    if not is_number(found["value"]):
        return "unknown"
    around = f" ({points(found['low'])} to {points(found['high'])})" if is_number(found["low"]) else ""
    return f"{points(found['value'])} percentage points{around}"


def points(share: Any) -> str:
    """A difference of shares in percentage points, signed: +0.4; nothing is -."""
    return f"{100 * share:+.1f}" if is_number(share) else "-"


def judge(found: Section) -> str:
    """better, worse, or no real difference."""
    if not found["is_real"]:
        return "no real difference"
    return "better" if found["value"] > 0 else "worse"


def _row(what: str, state: str, text: str) -> Section:
    return {"what": what, "state": state, "text": text}


def _data(document: Section) -> Section:
    data = document["data"]
    if not data["n"]:
        return _row("Data", SAME, "no change")
    return _row(
        "Data",
        CHANGED,
        f"{plural(data['n'], 'change')} on {plural(data['images']['touched'], 'image')}: {list_kinds(data['by_kind'])}",
    )


def _findings(document: Section) -> Section | None:
    if "findings" not in document:
        return None
    found = document["findings"]
    if found is None:
        return _row("Findings", UNKNOWN, "a version has none to compare")
    new = [plural(n, f"new {name}") for name, n in found["new"].items() if n]
    parts = [", ".join(new) or "none new"]
    parts += [f"{found[name]:,} {words}" for name, words in (("gone", "gone"), ("muted", "muted")) if found[name]]
    if found["newer_check"]:
        parts.append(f"{found['newer_check']:,} only because a check is newer")
    if found.get("unjudged"):
        parts.append(f"what models find is left out, as {visible(found['unjudged'], 60)} has none")
    calm = GOOD if found["gone"] else SAME
    return _row("Findings", BAD if found["new"]["error"] else CHANGED if new else calm, "; ".join(parts))


def _split(document: Section) -> Section | None:
    if "split" not in document:
        return None
    split = document["split"]
    if split is None:
        return _row("Split", UNKNOWN, "no certificate")
    broken = [row for row in split["promises"] if not row["kept"]]
    if broken:
        return _row("Split", BAD, "; ".join(f"broken: {row['name']}, {row['text']}" for row in broken))
    return _row("Split", GOOD, f"all {plural(len(split['promises']), 'promise')} kept")


def _test_set(document: Section) -> Section | None:
    model = document.get("model")
    if not model or "missing" in model:
        return None
    images = model["images"]
    other = images["only_before"] + images["only_after"]
    labels = f", {plural(images['relabelled'], 'label')} of them corrected" if images["relabelled"] else ""
    if not other:
        state = CHANGED if images["relabelled"] else SAME
        return _row("Test set", state, f"the same {plural(images['common'], 'image')}{labels}")
    text = f"{images['only_before']:,} of before and {images['only_after']:,} of after are not in both"
    return _row("Test set", CHANGED, f"{text}; compared on the {images['common']:,} common{labels}")


def _model(document: Section) -> Section | None:
    model = document.get("model")
    if not model:
        return None
    if "missing" in model:
        return _row("Model", UNKNOWN, f"not compared: {model['missing']}")
    found = model["accuracy"]
    if not model["images"]["common"]:
        return _row("Model", UNKNOWN, "not compared: no test image is in both versions")
    states = {"better": GOOD, "worse": BAD}
    says = judge(found)
    stale = f"; out of date: {model['stale']}" if model["stale"] else ""
    return _row("Model", states.get(says, SAME), f"{says}: accuracy {write_difference(found)}{stale}")


def _write_sentence(document: Section) -> str:
    data, findings, split, model = (document.get(name) for name in ("data", "findings", "split", "model"))
    parts = [
        f"{list_kinds(data['by_kind'], MOST)}, on {plural(data['images']['touched'], 'image')}"
        if data and data["n"]
        else "The data is the same"
    ]
    if findings:
        errors = findings["new"]["error"]
        parts.append(plural(errors, "new error") if errors else "no new error")
    if split:
        n_broken = sum(not row["kept"] for row in split["promises"])
        parts.append(f"the split breaks {plural(n_broken, 'promise')}" if n_broken else "the split keeps its promises")
    return f"{'; '.join(parts)}. {_write_model(model)}".strip()


def _write_model(model: Section | None) -> str:
    if not model:
        return ""
    if "missing" in model or not model["images"]["common"]:
        return "The models were not compared."
    if model["stale"]:
        return "A model is out of date: what the change did to it is not known."
    found, n = model["accuracy"], plural(model["images"]["common"], "common test image")
    what = "change" if model["also_changed"] else "change of the data"
    if not found["is_real"]:
        return f"The {what} made no difference to the model that {n} can show: {write_difference(found)}."
    return f"The model is {judge(found)}: {write_difference(found)} on {n}."
