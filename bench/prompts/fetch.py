"""Getting the official T2I-CompBench prompt files, and proving that they are the official ones."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.files import write_atomic
from bench.identity import file_digest
from bench.prompts.t2i_compbench import CATEGORIES, text_digest

COMMIT = "1b70949"
"""Of Karine-Huang/T2I-CompBench (MIT)."""
SOURCES = (
    f"https://raw.githubusercontent.com/Karine-Huang/T2I-CompBench/{COMMIT}/examples/dataset",
    f"https://github.com/Karine-Huang/T2I-CompBench/raw/{COMMIT}/examples/dataset",
)
"""Where the files are, in the order in which the places are tried."""
SHA256 = {
    "3d_spatial_val.txt": "c9953597315f36a5fcb41291bb19bdc6ab5f64a0fa760d691b4854a73f5d1fe9",
    "color_val.txt": "1634259756dbc77d13093d907d414480080ec9790a8c97ad09efaea7b2534f2d",
    "complex_val.txt": "1b808018b8d9916db3d47d5aa2ef18377a3549a56901a474156f799824cdf3b4",
    "complex_val_action.txt": "d49ee4c7f99e3f3379fb8704a54ff5288b83bb412971edf616a4721c2473308e",
    "complex_val_spatial.txt": "6c7ac0ab75c7c9080cfc7b421fb059b9b0febb98471707aeedf58771088abc02",
    "complex_val_spatialaction.txt": (
        "e02ddc7fed812e6577e7386ec2137ce0a994a5ce19771661f68df7ac349a6ca9"
    ),
    "new_objects.txt": "f39a3d2ff6067d7738673cbf465dc659ccc750776162989a5d9916f1d5f3e231",
    "non_spatial_val.txt": "04c56cc9ac441dc9ea6c5157652058bd1635b5308526dd31bb29a1caab9a758d",
    "numeracy_val.txt": "dad8df141604b70ba7554bec724e3db0a80023680769b5c514854ea2d2527bbe",
    "shape_val.txt": "37e1a276906c7ea9516cbd7ac8501be896006c0c17ca7344f260562834455bae",
    "spatial_val.txt": "8707a1d7e42ce3002d95363cf55f74bd043c843ae27108f5125aaaa7840ca988",
    "texture_val.txt": "fbb5363515b4a28009e360afaaaf389d2dd2289e50dbb0c6ef4ea0c7fe4f3d4f",
}
"""The prompts, the sub-lists of ``complex``, and the numeracy scorer's nouns with plurals."""
_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file that is in place."""

    name: str
    path: Path
    downloaded: bool
    """False: it was there and is the official one."""


def fetch(
    out: Path,
    sources: Sequence[str] = SOURCES,
    on_file: Callable[[Fetched], None] | None = None,
) -> list[Fetched]:
    """Bring the official files into a folder.

    Files that are there with the right SHA-256 stay; a file appears only when its download is whole
    and verified, so an interrupted fetch goes on where it stopped. Raises BenchError when no source
    can be reached, when what comes is not the official file, and when a file of another content is
    in the way.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"cannot make the folder {out}: {error.strerror or error}") from error
    done = []
    for name, digest in SHA256.items():
        path = out / name
        there = path.exists()
        if there and file_digest(path) != digest:
            raise BenchError(
                f"{path} is not the official file (its SHA-256 differs); move it away, then fetch "
                "again"
            )
        if not there:
            write_atomic(path, _download(name, digest, sources))
        done.append(Fetched(name, path, not there))
        if on_file:
            on_file(done[-1])
    return done


def _download(name: str, digest: str, sources: Sequence[str]) -> bytes:
    import hashlib

    reasons = []
    for base in sources:
        url = f"{base}/{name}"
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
                data: bytes = answer.read()
        except urllib.error.HTTPError as error:
            reasons.append(f"{url}: HTTP {error.code}")
        except (OSError, ValueError) as error:
            reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
        else:
            if hashlib.sha256(data).hexdigest() == digest:
                return data
            reasons.append(f"{url}: what came is not the official file (SHA-256 differs)")
    raise BenchError(
        f"{name} could not be downloaded:\n  " + "\n  ".join(reasons) + "\n"
        "What is fetched already is kept: the same command goes on from there. Without a network, "
        "clone https://github.com/Karine-Huang/T2I-CompBench elsewhere and give its folder "
        "with --data"
    )


def fill_from_texts(texts: Iterable[Any], out: Path) -> dict[str, int]:
    """Write ``*_val.txt`` files from prompts in any order, found by their hash.

    Takes what a column of a data set holds; returns the number of prompts found for every category
    and writes the files of the complete ones. Raises BenchError when no category is complete.
    """
    from bench.layouts.frozen import FOLDER, read_frozen

    by_hash = {text_digest(t): t.strip() for t in texts if isinstance(t, str)}
    found = {}
    complete: list[tuple[str, list[str]]] = []
    for category in CATEGORIES:
        rows = read_frozen(FOLDER / f"{category}_val.jsonl")
        lines = [by_hash[row.sha256] for row in rows if row.sha256 in by_hash]
        found[category] = len(lines)
        if len(lines) == len(rows):
            complete.append((category, lines))
    if not complete:
        most = max(found, key=lambda c: found[c])
        raise BenchError(
            f"no category of T2I-CompBench is complete in this column; most of them in {most}: "
            f"{found[most]} of 300. Is it the column with the prompts, of the validation split?"
        )
    out.mkdir(parents=True, exist_ok=True)
    for category, lines in complete:
        write_atomic(out / f"{category}_val.txt", ("\n".join(lines) + "\n").encode())
    return found
