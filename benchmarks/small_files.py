"""Sharing tens of thousands of small images: `datatools import` + DVC beside plain DVC on the loose folder.

    python benchmarks/small_files.py [--sets cifar10n,mnist-png] [--s3] [--images N]

Runs both sides in the same run on the same files: first add and push, status with nothing changed, pull into an empty
clone (and, for datatools, unpacking to ordinary files besides), one label changed, one appended batch of 1 %. For datatools a
label is changed in two ways: as a reviewer does it, by a fix record that is committed and pushed with Git (`datatools fix`), and in
the table that was imported, which is imported again. Status is `dvc status` beside `datatools status`, and beside `dvc status` of
the packed data. Prints CPU seconds (user and system, all children), bytes pushed, and the ratio. With --s3 the remote is a moto
server on loopback and its requests are counted, too; otherwise it is a folder. Needs `../shared/data` or DATATOOLS_SHARED.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SHARED = Path(os.environ.get("DATATOOLS_SHARED", REPO.parent / "shared"))
BATCH = 0.01  # share of the images that is appended
STEPS = (
    "first add + push",
    "status, nothing changed",
    "pull into a clone",
    "one label: add + push",
    "1 % more: add + push",
)
AGAIN, DVC_STATUS, UNPACK = "one label, imported again: add + push", "dvc status of the packed data", "unpack to files"


@dataclass
class Side:
    """What one side needs: CPU seconds, bytes and requests of each step."""

    cpu_s: dict[str, float] = field(default_factory=dict)
    n_bytes: dict[str, int] = field(default_factory=dict)
    n_requests: dict[str, int] = field(default_factory=dict)


def main() -> None:
    """Run the sets that were asked for and print a Markdown table each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="cifar10n,mnist-png")
    parser.add_argument("--images", type=int, help="so many images of each set, chosen at random, instead of all")
    parser.add_argument("--s3", action="store_true", help="an S3 server on loopback in place of a folder")
    args = parser.parse_args()
    for name in args.sets.split(","):
        with tempfile.TemporaryDirectory() as folder, Remote(Path(folder), args.s3) as remote:
            bench = Bench(Path(folder), name, args.images, remote)
            loose, packed = bench.run_loose(), bench.run_packed()
            print_table(name, bench, loose, packed)


class Remote:
    """A DVC remote whose bytes and requests can be counted."""

    def __init__(self, folder: Path, s3: bool) -> None:
        self.folder, self.s3 = folder / "remotes", s3
        self.requests: Counter[str] = Counter()

    def __enter__(self) -> Remote:
        if self.s3:
            self._serve()
        return self

    def __exit__(self, *error: object) -> None:
        if self.s3:
            self._server.shutdown()

    def url(self, side: str) -> list[str]:
        """Arguments of `dvc remote add` for one side."""
        return [f"s3://bench/{side}"] if self.s3 else [str(self.folder / side)]

    def options(self) -> dict[str, str]:
        """`dvc remote modify` settings."""
        keys = {"access_key_id": "id", "secret_access_key": "key", "region": "us-east-1"}
        return {"endpointurl": self._endpoint, **keys} if self.s3 else {}

    def measure(self, side: str) -> tuple[int, int]:
        """Bytes that a side has stored, and requests so far."""
        if self.s3:
            objects = self._client.list_objects_v2
            total, token = 0, {}
            while True:
                page = objects(Bucket="bench", Prefix=f"{side}/", **token)
                total += sum(item["Size"] for item in page.get("Contents", ()))
                if not page.get("IsTruncated"):
                    return total, sum(self.requests.values())
                token = {"ContinuationToken": page["NextContinuationToken"]}
        files = [path for path in (self.folder / side).rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files), 0

    def _serve(self) -> None:
        import logging

        import boto3
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request else
        app = DomainDispatcherApplication(create_backend_app)

        def counting(environ: dict, start_response: Callable) -> object:
            """Count client requests, not those of `measure`."""
            if "Boto3" not in environ.get("HTTP_USER_AGENT", "") or "s3fs" in environ.get("HTTP_USER_AGENT", ""):
                self.requests[environ["REQUEST_METHOD"]] += 1
            return app(environ, start_response)

        self._server = make_server("127.0.0.1", 0, counting, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._client = boto3.client(
            "s3",
            endpoint_url=self._endpoint,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="key",
        )
        self._client.create_bucket(Bucket="bench")


class Bench:
    """One data set: the images that are there first, those of the appended batch, and a label table."""

    def __init__(self, folder: Path, name: str, n_images: int | None, remote: Remote) -> None:
        self.folder, self.remote = folder, remote
        everything = folder / "everything"
        with zipfile.ZipFile(SHARED / "data" / f"{name}.zip") as archive:
            archive.extractall(everything)
        paths = sorted(
            p.relative_to(everything).as_posix() for p in everything.rglob("*") if p.suffix in (".png", ".jpg")
        )
        chosen = random.Random(0).sample(paths, min(n_images or len(paths), len(paths)))
        n_batch = max(1, round(BATCH * len(chosen)))
        self.batch, self.first = sorted(chosen[:n_batch]), sorted(chosen[n_batch:])
        self._everything = everything
        self.batch_bytes = sum((everything / path).stat().st_size for path in self.batch)
        self.first_bytes = sum((everything / path).stat().st_size for path in self.first)

    def lay_out(self, target: Path, paths: list[str], change: bool = False) -> None:
        """Images and labels.csv; with `change`, the first label is another one."""
        for path in paths:
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._everything / path, file)
        self.write_labels(target, paths, change)

    def write_labels(self, target: Path, paths: list[str], change: bool) -> None:
        """labels/given.csv: the images in ten classes."""
        file = target / "labels" / "given.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="") as opened:
            rows = csv.writer(opened, lineterminator="\n")
            rows.writerow(("path", "label"))
            rows.writerows((path, f"c{(number + (change and number == 0)) % 10}") for number, path in enumerate(paths))

    def run_loose(self) -> Side:
        """Plain DVC on the folder of files."""
        project = self._start("loose")
        raw = project / "data" / "raw"
        self.lay_out(raw, self.first)
        side = Side()
        add = ["dvc", "add", "-q", "data/raw"]
        self._step(side, STEPS[0], project, "loose", add, ["dvc", "push", "-q"])
        self._rest(side, project, "loose", ["dvc", "status", "-q", "data/raw.dvc"])
        self.write_labels(raw, self.first, change=True)
        self._step(side, STEPS[3], project, "loose", add, ["dvc", "push", "-q"])
        self.lay_out(raw, self.batch)
        self.write_labels(raw, self.first + self.batch, change=True)
        self._step(side, STEPS[4], project, "loose", add, ["dvc", "push", "-q"])
        return side

    def run_packed(self) -> Side:
        """datatools import, then the same DVC commands. The files that are brought lie outside the project."""
        project = self._start("packed")
        cpu_of(project, ["datatools", "init", "."])
        brought, more = self.folder / "brought", self.folder / "more"
        self.lay_out(brought, self.first)
        side = Side()
        add = ["dvc", "add", "-q", "data/raw"]
        self._step(side, STEPS[0], project, "packed", ["datatools", "import", str(brought)], add, ["dvc", "push", "-q"])
        self._rest(side, project, "packed", ["datatools", "status"])
        side.cpu_s[DVC_STATUS] = cpu_of(project, ["dvc", "status", "-q", "data/raw.dvc"])
        self._fix_a_label(side, project)
        self.write_labels(brought, self.first, change=True)
        again = ["datatools", "import", str(brought)]
        self._step(side, AGAIN, project, "packed", again, add, ["dvc", "push", "-q"])
        self.lay_out(more, self.batch)
        self._step(side, STEPS[4], project, "packed", ["datatools", "import", str(more)], add, ["dvc", "push", "-q"])
        side.cpu_s[UNPACK] = cpu_of(self.folder / "packed-clone", ["datatools", "unpack"])
        return side

    def _fix_a_label(self, side: Side, project: Path) -> None:
        """One label of the ingested data, by a fix record; a bare repository stands for the Git server."""
        cpu_of(project, ["dvc", "repro", "-q", "-s", "library", "ingest"])
        cpu_of(project, ["dvc", "push", "-q"])  # what ingest made is no part of the steps that follow
        cpu_of(self.folder, ["git", "init", "-q", "--bare", "server"])
        cpu_of(project, ["git", "push", "-q", str(self.folder / "server"), "HEAD:main"])
        fix = ["datatools", "fix", self.first[0], "--label", "c1", "--why", "a slip", "--who", "Rita"]
        commit = ["git", "commit", "-qm", "fix", "--", "data/fixes"]
        push = ["git", "push", "-q", str(self.folder / "server"), "HEAD:main"]
        self._step(side, STEPS[3], project, "packed", fix, ["git", "add", "data/fixes"], commit, push)
        side.n_bytes[STEPS[3]] += sum(file.stat().st_size for file in (project / "data" / "fixes").iterdir())

    def _start(self, side: str) -> Path:
        project = self.folder / side
        project.mkdir()
        for command in (
            ["git", "init", "-q"],
            ["git", "config", "user.email", "bench@example.org"],
            ["git", "config", "user.name", "bench"],
            ["dvc", "init", "-q"],
            ["dvc", "config", "core.analytics", "false"],
            ["dvc", "config", "core.site_cache_dir", str(self.folder / f"site-{side}")],
            ["dvc", "remote", "add", "-d", "-q", "store", *self.remote.url(side)],
            *(["dvc", "remote", "modify", "store", key, value] for key, value in self.remote.options().items()),
        ):
            cpu_of(project, command)
        return project

    def _rest(self, side: Side, project: Path, name: str, status: list[str]) -> None:
        cpu_of(project, status)  # the first one hashes; what is asked is the status of what was looked at before
        self._step(side, STEPS[1], project, name, status)
        cpu_of(project, ["git", "add", "-A"])
        cpu_of(project, ["git", "commit", "-qm", "data"])
        clone = self.folder / f"{name}-clone"
        cpu_of(self.folder, ["git", "clone", "-q", str(project), str(clone)])
        cpu_of(clone, ["dvc", "config", "core.site_cache_dir", str(self.folder / f"site-clone-{name}")])
        self._step(side, STEPS[2], clone, name, ["dvc", "pull", "-q", "data/raw.dvc"])

    def _step(self, side: Side, step: str, project: Path, name: str, *commands: list[str]) -> None:
        bytes_before, requests_before = self.remote.measure(name)
        side.cpu_s[step] = sum(cpu_of(project, command) for command in commands)
        bytes_after, requests_after = self.remote.measure(name)
        side.n_bytes[step] = bytes_after - bytes_before
        side.n_requests[step] = requests_after - requests_before


def cpu_of(folder: Path, command: list[str]) -> float:
    """CPU seconds of a command and its children; it must succeed."""
    tool = BIN / command[0]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [str(tool) if tool.exists() else command[0], *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr or done.stdout}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def print_table(name: str, bench: Bench, loose: Side, packed: Side) -> None:
    """One row a step: CPU seconds of both, the ratio, bytes pushed, requests."""
    n_images = len(bench.first)
    print(
        f"\n{name}: {n_images:,} images of {bench.first_bytes / n_images:,.0f} bytes, a batch of {len(bench.batch):,}\n"
    )
    print(
        "| step | plain DVC, CPU s | datatools, CPU s | ratio | bytes pushed, DVC | datatools | requests, DVC | datatools |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for step in STEPS:
        ratio = loose.cpu_s[step] / packed.cpu_s[step]
        cells = (f"{loose.cpu_s[step]:.2f}", f"{packed.cpu_s[step]:.2f}", f"{ratio:.1f}")
        counts = (loose.n_bytes, packed.n_bytes, loose.n_requests, packed.n_requests)
        print(f"| {step} | " + " | ".join([*cells, *(f"{part[step]:,}" for part in counts)]) + " |")
    print(
        f"\n{AGAIN}: {packed.cpu_s[AGAIN]:.2f} CPU s, ratio {loose.cpu_s[STEPS[3]] / packed.cpu_s[AGAIN]:.1f}, ", end=""
    )
    print(f"{packed.n_bytes[AGAIN]:,} bytes; {DVC_STATUS}: {packed.cpu_s[DVC_STATUS]:.2f} CPU s, ", end="")
    print(f"ratio {loose.cpu_s[STEPS[1]] / packed.cpu_s[DVC_STATUS]:.1f}")
    ratio = packed.n_bytes[STEPS[4]] / bench.batch_bytes
    print(f"unpacking to ordinary files besides: {packed.cpu_s[UNPACK]:.2f} CPU s")
    print(f"the appended batch has {bench.batch_bytes:,} bytes of images; pushed {ratio:.2f} times that", flush=True)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\n{time.monotonic() - started:.0f} s in all", file=sys.stderr)
