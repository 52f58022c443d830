"""What makes two models the same: their files' digests, or the hub revision."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

from bench.errors import BenchError
from bench.identity import digest, file_digest
from bench.types import ModelSpec

SUFFIXES = frozenset({".safetensors", ".bin", ".json", ".model", ".txt"})
"""Weights, configurations and tokenizer files; model cards and samples do not change an image."""


def model_digest(spec: ModelSpec) -> str:
    """Identity of a model's weights and configuration, without loading them.

    A folder: SHA-256 (hex) over the names and digests of the files of all components that its
    ``model_index.json`` names. A hub id: the repository's commit.

    Raises:
        BenchError: the folder holds no pipeline, or the hub's commit cannot be found out.
    """
    folder = Path(spec.source)
    if folder.is_dir():
        return _folder_digest(folder)
    if spec.revision and re.fullmatch(r"[0-9a-f]{40}", spec.revision):
        return spec.revision
    return _hub_commit(spec)


def _folder_digest(folder: Path) -> str:
    index = folder / "model_index.json"
    try:
        components = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(
            f"{folder} holds no readable model_index.json ({error}); "
            "a model folder must be in diffusers format"
        ) from error
    files = [index]
    for name, value in sorted(components.items()):
        if isinstance(value, list) and value[0] is not None:
            files += sorted(p for p in (folder / name).rglob("*") if p.suffix in SUFFIXES)
    return digest({str(p.relative_to(folder).as_posix()): _cached_digest(p) for p in files})


def _cached_digest(path: Path) -> str:
    stat = path.stat()
    return _digest_of(path.resolve(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _digest_of(path: Path, mtime_ns: int, size: int) -> str:
    """Hashed once a process as long as the file stays the same: weights can be tens of GB."""
    return file_digest(path)


def _hub_commit(spec: ModelSpec) -> str:
    """The commit behind a hub id: asked of the hub, else of the local cache."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        commit = HfApi().model_info(spec.source, revision=spec.revision).sha
        if commit:
            return commit
    except (HfHubHTTPError, OSError):
        pass  # no hub or no right to ask: the cache may still know
    try:
        snapshot = snapshot_download(spec.source, revision=spec.revision, local_files_only=True)
    except (LocalEntryNotFoundError, OSError, ValueError) as error:
        raise BenchError(
            f"model {spec.name}: {spec.source!r} is neither a folder nor a hub model that this "
            "machine can reach or has in its cache; download it first, or give a folder"
        ) from error
    return Path(snapshot).name
