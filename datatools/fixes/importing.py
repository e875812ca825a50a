"""Taking in fix records that were made elsewhere: on the review page, by another program, on another machine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.file_reading import UnreadableFileError, read_regular
from datatools.fixes.records import FixRecord, file_records, from_line, load_records
from datatools.project import Project


@dataclass(frozen=True)
class Imported:
    """What an import added, and how many of its records were there already."""

    records: list[FixRecord] = field(default_factory=list)
    n_known: int = 0


def import_records(project: Project, file: Path) -> Imported:
    """Append the records of `file` (JSON lines) to the files of those who made them; all of them, or none.

    A record whose id is there already is passed over, so that importing twice adds nothing; one whose id stands for other
    words is refused. Raises DatatoolsError that names file and line for anything that is not a record.
    """
    found = _read(file)
    known = {record.id: record for record in load_records(project.fixes)[0]}
    for record in found:
        if record.id in known and known[record.id] != record:
            raise DatatoolsError(
                f"{file}: expected new records. Got {record.id}, which is another record in data/fixes: was the file edited?"
            )
    new = [record for record in found if record.id not in known]
    file_records(project.fixes, new)
    return Imported(new, len(found) - len(new))


def _read(file: Path) -> list[FixRecord]:
    try:
        lines = read_regular(file).decode("utf-8-sig").split("\n")
    except (UnreadableFileError, UnicodeDecodeError) as error:
        raise DatatoolsError(f"{file}: expected fix records, a JSON object a line. Got: {error}.") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = from_line(line)
            if not record.who.strip():
                raise ValueError("it does not say who decided")
        except (ValueError, RecursionError) as error:
            raise DatatoolsError(
                f"{file}:{number}: expected a fix record. Got a line that is none: {error}."
            ) from error
        found.append(record)
    repeated = [name for name, n in Counter(record.id for record in found).items() if n > 1]
    if repeated:
        raise DatatoolsError(f"{file}: expected each id once. Got {repeated[0]} again: was the file joined of two?")
    return found
