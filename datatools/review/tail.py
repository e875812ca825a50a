"""Reading fix records again and again while several people write them: each line is parsed once."""

from __future__ import annotations

from pathlib import Path

from datatools.fixes.records import FixRecord, in_order, parse_lines


class RecordTail:
    """All records below `folder`, as they grow. Files are append-only; one that shrank is read anew."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: dict[str, tuple[int, list[FixRecord]]] = {}  # file -> bytes read, records

    def read(self) -> list[FixRecord]:
        """The records now on the disk, as load_records orders them; a line that is none is left to `datatools fixes check`."""
        for path in sorted(self._folder.glob("*.jsonl")):
            self._read_on(path)
        return in_order(record for name in sorted(self._done) for record in self._done[name][1])

    def _read_on(self, path: Path) -> None:
        done, records = self._done.get(path.name, (0, []))
        size = path.stat().st_size
        if size == done:
            return
        if size < done:
            done, records = 0, []
        with path.open("rb") as file:
            file.seek(done)
            whole, newline, _ = file.read().rpartition(b"\n")  # a line that is being written is read next time
        self._done[path.name] = (done + len(whole) + len(newline), records + parse_lines(whole, path.name)[0])
