"""The dataset card: Markdown with the front matter that Hugging Face reads. No number in it is written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from datatools.cards.facts import CardFacts, count_sides
from datatools.report.markdown import code, prose, table
from datatools.report.words import OPS, count, describe_agreement, percent, plural, reason_words

TABLES = ("images", "annotations")
MANY = 60  # rows of a table in a card


def to_card(facts: CardFacts) -> str:
    """The card as Markdown; names and labels of the data are escaped."""
    front = yaml.safe_dump(make_front_matter(facts), sort_keys=False, allow_unicode=True, width=120)
    sections = {
        "What it is": _about(facts),
        "Classes": _classes(facts),
        "Split": _split(facts),
        "Annotators": _annotators(facts),
        "Known problems": _problems(facts),
        "What was corrected": _fixes(facts),
        "How it was collected": _collected(facts),
        "Licences": _licences(facts),
    }
    blocks = [f"# {prose(facts.name)}"]
    for name, lines in sections.items():
        blocks += [f"## {name}", *lines]
    return f"---\n{front}---\n\n" + "\n\n".join(blocks) + "\n"


def make_front_matter(facts: CardFacts) -> dict[str, Any]:
    """The metadata of huggingface/hub-docs, datasetcard.md; what is not known is left out."""
    licences = list(dict.fromkeys(licence.hugging_face for licence in facts.distinct))
    custom = next((licence.id for licence in facts.distinct if licence.hugging_face == "other"), None)
    front: dict[str, Any] = {"license": licences[0] if len(licences) == 1 else licences}
    if custom and licences == ["other"]:
        front |= {"license_name": custom}
    return front | {
        "pretty_name": facts.name,
        "task_categories": list(facts.tasks),
        "size_categories": [facts.size_category],
        "configs": [
            {"config_name": name, "data_files": f"{name}.parquet", **({"default": True} if name == TABLES[0] else {})}
            for name in TABLES
        ],
    }


def _about(facts: CardFacts) -> Iterator[str]:
    dataset = facts.dataset
    objects = f", {plural(len(dataset.objects), 'object')} with a box or a mask" if len(dataset.objects) else ""
    yield f"{plural(len(dataset.images), 'image')}, {plural(len(dataset.annotations), 'annotation')}{objects}."
    release = f"Release {facts.version}, data" if facts.version else "Data"
    yield f"{release} version {code(dataset.version)}, commit {code(facts.commit)}."
    yield (
        "`images.parquet` has a row an image with its SHA-256, side of the split, source and licence, `annotations.parquet` "
        "a row a label, box (`x0_px` ... `y1_px`, half-open, in pixels) or mask; `croissant.json` describes both. "
        "The images themselves come with `dvc pull`."
    )


def _classes(facts: CardFacts) -> Iterator[str]:
    rows = [
        [code(row["class"]), *(count(row[name]) for name in ("n", "train", "val", "test", "objects"))]
        for row in facts.classes
    ]
    yield table(["class", "#images", "#train", "#val", "#test", "#objects"], rows[:MANY])
    if len(rows) > MANY:
        yield f"And {len(rows) - MANY:,} more in `croissant.json`."


def _split(facts: CardFacts) -> Iterator[str]:
    if facts.split.empty:
        yield "The data is not split."
        return
    sizes = count_sides(facts.split)
    yield ", ".join(f"{side} {count(n)}" for side, n in sizes.items()) + " images."
    verdict = facts.certificate.get("verdict")
    if verdict:
        digest = str(facts.certificate.get("assignment_sha256", ""))[:12]
        yield f"Certificate (assignment {code(digest)}): {prose(verdict, 1000)}"


def _annotators(facts: CardFacts) -> Iterator[str]:
    if not facts.annotators:
        yield "The data does not say who annotated it."
        return
    yield table(
        ["annotator", "#annotations"], [[code(name), count(n)] for name, n in list(facts.annotators.items())[:MANY]]
    )
    agreement = describe_agreement(facts.agreement, code)
    yield f"{agreement}." if agreement else "No image was annotated twice, so agreement is not known."


def _problems(facts: CardFacts) -> Iterator[str]:
    rows = [
        [code(row["code"]), count(row["n"]), row["severity"], prose(row["title"])] for row in facts.findings["codes"]
    ]
    if not rows:
        yield "The checks found none."
        return
    yield table(["code", "#findings", "severity", "what"], rows)
    yield f"These are as the checks and a model found them; not every one is a fault.{_muted(facts)}"


def _muted(facts: CardFacts) -> str:
    n = facts.findings["muted"]
    return f" Another {count(n)} are known and accepted in `data/mutes.yaml`." if n else ""


def _fixes(facts: CardFacts) -> Iterator[str]:
    if not facts.fixes:
        yield "No record changes what the annotators gave."
        return
    told = ", ".join(f"{OPS.get(op, op)}: {count(n)}" for op, n in facts.fixes.items())
    n = sum(facts.fixes.values())
    yield f"{plural(n, 'decision')} of people {'is' if n == 1 else 'are'} applied, each on record with who, when and why ({told})."


def _collected(facts: CardFacts) -> Iterator[str]:
    formats = facts.dataset.facts.get("formats") or []
    yield f"Read as {', '.join(map(code, formats))}." if formats else "Read from image folders."
    if facts.rejected:
        told = ", ".join(f"{prose(reason_words(reason, {}))}: {count(n)}" for reason, n in facts.rejected.items())
        yield f"Left out, by reason: {told}."
    if facts.n_copies:
        copies = plural(facts.n_copies, "augmented copy", "augmented copies")
        yield f"For training, {copies} of train images were made; they are no part of this data set."


def _licences(facts: CardFacts) -> Iterator[str]:
    rows = []
    for row in facts.list_sources():
        note = row["note"]
        about = [note.title, note.url, note.attribution, note.note] if note is not None else []
        rows.append(
            [
                code(row["name"]),
                count(row["images"]),
                code(row["licence"]),
                "; ".join(prose(text, 300) for text in about if text),
            ]
        )
    yield table(["source", "#images", "licence", "what is known of it"], rows[:MANY])
    shares = len([licence for licence in facts.licences.values() if licence.id == "unknown"])
    if shares:
        yield f"**The licence of {percent(shares / len(facts.licences))} of the images ({count(shares)}) is unknown.**"
    for conflict in facts.conflicts:
        names = ", ".join(map(code, conflict.licences))
        yield f"- **{conflict.code}** ({names}): {prose(conflict.message, 1000)} [why]({conflict.reference})"
    yield "The licence of an image is that which the data gives it, else that of its source in `data/sources.yaml`. This is no legal advice."
