"""A run folder: ``manifest.json``, ``store.sqlite`` and ``images/<key>.png``.

Nothing in it is ever half-written. An image is written under a temporary name, synced and renamed;
only then does its record enter the store, in one transaction a batch. So a process that dies at
any moment leaves at most an image without a record, and the next run makes that image again.
A record holds its image's SHA-256: an image that is lost or damaged later is noticed and made
again, too.
"""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bench.errors import BenchError
from bench.files import read_json_object, write_atomic, write_json
from bench.identity import canonical_json, digest, file_digest
from bench.images import open_rgb
from bench.types import GenerationRecord, Job, Layout, Score

if TYPE_CHECKING:
    import pandas
    from PIL.Image import Image

FORMAT = 1
"""Version of the folder's format; a folder of another version is refused."""

IMPORTED = -1
"""Batch of images that were not generated here."""

_SCHEMA = """
CREATE TABLE layouts (
    id TEXT PRIMARY KEY, digest TEXT NOT NULL, category TEXT NOT NULL, prompt TEXT NOT NULL,
    row TEXT NOT NULL
);
CREATE TABLE images (  -- one for each job key, shared by jobs that would make the same image
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, layout TEXT NOT NULL REFERENCES layouts,
    batch INTEGER NOT NULL, status TEXT, sha256 TEXT, seconds REAL, passes INTEGER,
    peak_memory_mb REAL, error TEXT
);
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY, image INTEGER NOT NULL REFERENCES images,
    layout TEXT NOT NULL REFERENCES layouts, seed INTEGER NOT NULL, model TEXT NOT NULL,
    model_digest TEXT NOT NULL, method TEXT NOT NULL, method_label TEXT NOT NULL,
    method_args TEXT NOT NULL, settings TEXT NOT NULL, dtype TEXT NOT NULL,
    UNIQUE (layout, seed, model, method_label)
);
CREATE TABLE metrics (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL, mode TEXT NOT NULL,
    identity TEXT NOT NULL, columns TEXT NOT NULL,
    current INTEGER NOT NULL  -- 1 for the identity that was used last of each name and mode
);
CREATE TABLE scores (
    image INTEGER NOT NULL REFERENCES images, metric INTEGER NOT NULL REFERENCES metrics,
    name TEXT NOT NULL, value REAL, reason TEXT, details TEXT NOT NULL,
    retry INTEGER NOT NULL,  -- 1 when the metric raised: the next scoring tries again
    PRIMARY KEY (image, metric, name)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job with its place in the run."""

    job: Job
    label: str
    """How the method is called in the leaderboard: name, preset, changed constants."""
    batch: int
    """Which batch it is generated in, fixed when the run is created; `IMPORTED` for none."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image of the run, made or not."""

    id: int
    key: str
    layout: Layout
    seed: int
    method_label: str
    """Of the first job that asks for it."""
    batch: int
    record: GenerationRecord | None
    """None while the image is not made."""


class Run:
    """A run folder. Reading needs no lock; whoever writes holds `lock`."""

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path) -> Run:
        """An existing run folder; BenchError when it is none, or one of another version."""
        if not (path / "manifest.json").exists():
            raise BenchError(f"{path} is not a run folder: it has no manifest.json")
        advice = "delete the run folder and run again, or restore the file"
        manifest = read_json_object(path / "manifest.json", advice)
        if manifest.get("format") != FORMAT:
            raise BenchError(
                f"{path} has run format {manifest.get('format')!r}, this version reads {FORMAT}; "
                "read it with the version that wrote it"
            )
        return cls(path, manifest)

    @classmethod
    def create(cls, path: Path, manifest: Mapping[str, Any], jobs: Sequence[PlannedJob]) -> Run:
        """A new run folder with all its jobs, none of them done. The caller holds its lock.

        The manifest is written last: a folder without one was never begun and is created again.
        """
        (path / "images").mkdir(parents=True, exist_ok=True)
        (path / "store.sqlite").unlink(missing_ok=True)
        run = cls(path, {"format": FORMAT, **manifest})
        with run._transaction() as db:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            _insert_jobs(db, jobs)
        write_json(path / "manifest.json", run.manifest)
        return run

    def close(self) -> None:
        """Close the store; the next use opens it again."""
        if "_db" in self.__dict__:
            self._db.close()
            del self._db

    def check(self) -> None:
        """Look through the whole store for damage, and remove what a killed process left."""
        with self._guard():
            verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise self._damaged(verdict)
        for leftover in (self.path / "images").glob(".*.tmp"):
            leftover.unlink()

    # images

    def image_path(self, key: str) -> Path:
        return self.path / "images" / f"{key}.png"

    def images(self) -> list[StoredImage]:
        """Every image of the run in order, with its record if it has one."""
        with self._guard():
            rows = self._db.execute(
                "SELECT i.id, i.key, i.layout, j.seed, j.method_label, i.batch, i.status, "
                "i.sha256, i.seconds, i.passes, i.peak_memory_mb, i.error "
                "FROM images i JOIN jobs j ON j.id = "
                "(SELECT MIN(id) FROM jobs WHERE jobs.image = i.id) ORDER BY i.id"
            ).fetchall()
        layouts = self.layouts
        return [
            StoredImage(
                id=row[0],
                key=row[1],
                layout=layouts[row[2]],
                seed=row[3],
                method_label=row[4],
                batch=row[5],
                record=GenerationRecord(row[1], *row[6:]) if row[6] else None,
            )
            for row in rows
        ]

    @cached_property
    def layouts(self) -> dict[str, Layout]:
        """The run's layouts by id."""
        with self._guard():
            rows = self._db.execute("SELECT id, row FROM layouts").fetchall()
        return {name: Layout.from_dict(json.loads(row)) for name, row in rows}

    def intact(self, record: GenerationRecord) -> bool:
        """Whether the record's image lies on disk as it was written."""
        path = self.image_path(record.key)
        return (
            record.status == "done" and path.exists() and (file_digest(path) == record.image_sha256)
        )

    def load_image(self, record: GenerationRecord) -> Image:
        """The image (RGB) of a done record; BenchError when the file is lost or damaged."""
        path = self.image_path(record.key)
        advice = "run the same command again: it is made anew"
        if not path.exists():
            raise BenchError(f"image {path} is missing; {advice}")
        if not self.intact(record):
            raise BenchError(f"image {path} is damaged (its SHA-256 has changed); {advice}")
        try:
            return open_rgb(path)
        except OSError as error:
            raise BenchError(f"image {path} cannot be read ({error}); {advice}") from error

    def add_jobs(self, jobs: Sequence[PlannedJob]) -> None:
        """Add jobs; one of the same layout, seed, model and label gives way to the new one."""
        with self._transaction() as db:
            _insert_jobs(db, jobs)
            for table, column in (("scores", "image"), ("images", "id")):
                db.execute(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT image FROM jobs)")
        self.__dict__.pop("layouts", None)

    def save_images(self, results: Sequence[tuple[GenerationRecord, bytes | None]]) -> None:
        """Write the PNG files of a batch, then their records in one transaction."""
        for record, png in results:
            if png is not None:
                write_atomic(self.image_path(record.key), png)
        with self._transaction() as db:
            for r, _ in results:
                db.execute(
                    "UPDATE images SET status=?, sha256=?, seconds=?, passes=?, "
                    "peak_memory_mb=?, error=? WHERE key=?",
                    (r.status, r.image_sha256, r.seconds, r.passes, r.peak_memory_mb, r.error,
                     r.key),
                )  # fmt: skip
                # scores of an earlier image of this key are no scores of this one
                db.execute(
                    "DELETE FROM scores WHERE image = (SELECT id FROM images WHERE key=?)",
                    (r.key,),
                )

    # scores

    def use_metric(
        self, name: str, mode: str, identity: Mapping[str, Any], columns: Mapping[str, Any]
    ) -> int:
        """The id of a metric with this identity; from now on the one whose scores are shown."""
        key = digest({"name": name, "mode": mode, "identity": dict(identity)})
        with self._transaction() as db:
            db.execute(
                "INSERT INTO metrics (digest, name, mode, identity, columns, current) "
                "VALUES (?, ?, ?, ?, ?, 1) "
                "ON CONFLICT (digest) DO UPDATE SET columns = excluded.columns",
                (key, name, mode, canonical_json(dict(identity)), json.dumps(dict(columns))),
            )
            db.execute(
                "UPDATE metrics SET current = (digest = ?) WHERE name = ? AND mode = ?",
                (key, name, mode),
            )
            row = db.execute("SELECT id FROM metrics WHERE digest = ?", (key,)).fetchone()
        return int(row[0])

    def unscored(self, metric: int) -> set[int]:
        """Ids of the done images that this metric has no lasting score for."""
        with self._guard():
            rows = self._db.execute(
                "SELECT id FROM images WHERE status = 'done' AND id NOT IN "
                "(SELECT image FROM scores WHERE metric = ? AND NOT retry)",
                (metric,),
            ).fetchall()
        return {row[0] for row in rows}

    def save_scores(
        self, metric: int, rows: Sequence[tuple[int, Sequence[Score]]], *, retry: bool = False
    ) -> None:
        """Store the scores of some images (by id) in one transaction, replacing earlier ones."""
        with self._transaction() as db:
            db.executemany(
                "DELETE FROM scores WHERE image = ? AND metric = ?",
                [(image, metric) for image, _ in rows],
            )
            db.executemany(
                "INSERT INTO scores (image, metric, name, value, reason, details, retry) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (image, metric, s.name, s.value, s.reason,
                     json.dumps(dict(s.details), ensure_ascii=False), retry)
                    for image, scores in rows
                    for s in scores
                ],
            )  # fmt: skip

    def frame(self, *, details: bool = True) -> pandas.DataFrame:
        """One row per (job, score name); see `bench.frame.run_frame` for the columns."""
        from bench.frame import run_frame

        return run_frame(self, details=details)

    # the store itself

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a SELECT statement of our own (never one made from outside text)."""
        with self._guard():
            return self._db.execute(sql).fetchall()

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """As `query`, one row after the other: for tables that should not fill the memory."""
        with self._guard():
            yield from self._db.execute(sql)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                if self._db.in_transaction:  # SQLite has rolled back itself when the disk is full
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @cached_property
    def _db(self) -> sqlite3.Connection:
        # The rollback journal, not WAL: one file, and it also works on network drives.
        db = sqlite3.connect(self.path / "store.sqlite", isolation_level=None, timeout=60)
        db.execute("PRAGMA synchronous = FULL")
        return db

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        """SQLite's errors in words that say which file and what to do."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            store = self.path / "store.sqlite"
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "no such table" in str(
                error
            ):
                raise self._damaged(error) from error
            if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
                        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY):  # fmt: skip
                raise BenchError(
                    f"cannot write {store}: {error}; what was stored before is kept. Make room, "
                    "or choose another --out, and run the same command again"
                ) from error
            raise

    def _damaged(self, why: object) -> BenchError:
        return BenchError(
            f"{self.path / 'store.sqlite'} is damaged ({why}). Restore it from a copy, or delete "
            f"the folder {self.path} and run the same command again: every image is made again"
        )


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a run folder (created if need be) for writing; BenchError when another process does.

    An SQLite lock, because the operating system drops it when its holder dies, on every system.
    """
    path.mkdir(parents=True, exist_ok=True)
    holder = sqlite3.connect(path / ".lock", timeout=0, isolation_level=None)
    try:
        try:
            holder.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise BenchError(
                f"{path} is in use by another process; wait for it, or give another --out"
            ) from error
        yield
    finally:
        holder.close()


def encode_png(image: Image) -> bytes:
    """The PNG file of an RGB image; the same bytes for the same pixels."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()


def _insert_jobs(db: sqlite3.Connection, jobs: Sequence[PlannedJob]) -> None:
    seen: dict[str, str] = dict(db.execute("SELECT id, digest FROM layouts"))
    images: dict[str, int] = dict(db.execute("SELECT key, id FROM images"))
    for planned in jobs:
        job = planned.job
        digest_of_layout = job.layout.digest
        if job.layout.id not in seen:
            seen[job.layout.id] = digest_of_layout
            db.execute(
                "INSERT INTO layouts VALUES (?, ?, ?, ?, ?)",
                (job.layout.id, digest_of_layout, job.layout.category, job.layout.prompt,
                 canonical_json(job.layout.to_dict())),
            )  # fmt: skip
        elif seen[job.layout.id] != digest_of_layout:
            raise BenchError(f"two different layouts have the id {job.layout.id!r}; rename one")
        key = job.key
        if key not in images:
            cursor = db.execute(
                "INSERT INTO images (key, layout, batch) VALUES (?, ?, ?)",
                (key, job.layout.id, planned.batch),
            )
            images[key] = cast(int, cursor.lastrowid)
        db.execute(
            "INSERT INTO jobs (image, layout, seed, model, model_digest, method, method_label, "
            "method_args, settings, dtype) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (layout, seed, model, method_label) DO UPDATE SET image = excluded.image, "
            "method_args = excluded.method_args, settings = excluded.settings",
            (images[key], job.layout.id, job.seed, job.model, job.model_digest, job.method,
             planned.label, canonical_json(dict(job.method_args)),
             canonical_json(job.settings.to_dict()), job.dtype),
        )  # fmt: skip
