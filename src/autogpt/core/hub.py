"""Model files from the Hugging Face hub, or from whatever ``HF_ENDPOINT`` names.

What a repository holds is asked through ``huggingface_hub``, which also brings the token, the
proxy and offline mode (``HF_HUB_OFFLINE``). The bytes are read here, because its downloads begin
anew after an interruption; these go on where they stopped. Only weights in safetensors or GGUF and
the text files beside them are taken: a pickle can run any program.

Not here: where files are kept (``store``), in which order sources are tried (``pull``).
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autogpt.core.catalog import safe_name
from autogpt.core.errors import DownloadError, UsageError
from autogpt.core.files import MANIFEST, explain_os_errors, sha256_file
from autogpt.core.progress import ByteProgress

__all__ = ["HubFile", "HubReference", "Listing", "choose", "download", "list_files"]

_REFERENCE = re.compile(
    r"hf:(?P<repo>[\w.-]{1,96}(?:/[\w.-]{1,96})?)"
    r"(?:/(?P<file>[^@]+\.gguf))?"
    r"(?:@(?P<revision>[\w./-]{1,200}))?",
    re.ASCII,
)

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_TEXTS = {".json", ".txt", ".model", ".jinja", ".md"}
_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf$")

_CONNECT_S = 10.0
_TRIES = 4
_PAUSE_S = 0.5  # doubled at each try
_TRANSIENT = {408, 429, 500, 502, 503, 504}  # HTTP: ask again later (RFC 9110, 2022)
_TRUE = {"1", "ON", "YES", "TRUE"}  # as huggingface_hub reads its variables


@dataclass(frozen=True, kw_only=True, slots=True)
class HubReference:
    """What ``hf:organization/name[/FILE.gguf][@revision]`` names.

    Attributes:
        repo: ``organization/name``.
        file: One file of it; None is the whole model.
        revision: A commit, tag or branch.
    """

    repo: str
    file: str | None = None
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> HubReference:
        """Read a reference.

        Raises:
            UsageError: If it is not of that form.
        """
        found = _REFERENCE.fullmatch(text)
        if found is None or re.search(r"\.\.|--", found["repo"]):
            shown = text if len(text) <= 80 else f"{text[:77]}..."
            raise UsageError(
                f"{shown!r} does not name a model of the hub.",
                hint="Write it like hf:Qwen/Qwen3-0.6B, or with @REVISION at the end.",
            )
        return cls(repo=found["repo"], file=found["file"], revision=found["revision"] or "main")

    def __str__(self) -> str:
        file = f"/{self.file}" if self.file else ""
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"hf:{self.repo}{file}{revision}"


@dataclass(frozen=True, kw_only=True, slots=True)
class HubFile:
    """One file of a repository.

    Attributes:
        name: Its place in the repository.
        size_bytes: Its length.
        sha256: Of its content, where the hub says it (large files).
        git_oid: Of its content, where the hub says that (small files).
    """

    name: str
    size_bytes: int
    sha256: str | None = None
    git_oid: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What a repository holds at one commit.

    Attributes:
        repo: ``organization/name``.
        commit: The revision, resolved.
        license: As its card says; empty if it does not.
        files: All of them.
    """

    repo: str
    commit: str
    license: str
    files: tuple[HubFile, ...]


def list_files(repo: str, revision: str) -> Listing:
    """Ask the hub what a repository holds.

    Raises:
        DownloadError: If the hub is switched off or out of reach, or has no such repository.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE:
        raise DownloadError("The hub is switched off by HF_HUB_OFFLINE.")
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        found = HfApi(endpoint=_endpoint()).model_info(
            repo, revision=revision, files_metadata=True, timeout=_CONNECT_S
        )
    except HfHubHTTPError as error:
        raise DownloadError(_refusal(error, repo, revision)) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
        raise DownloadError(f"The hub cannot be reached ({_reason(error)}).") from error
    files = [
        HubFile(
            name=each.rfilename,
            size_bytes=each.size or 0,
            sha256=each.lfs.sha256 if each.lfs else None,
            git_oid=None if each.lfs else each.blob_id,
        )
        for each in found.siblings or []
    ]
    return Listing(
        repo=repo,
        commit=found.sha or revision,
        license=str(getattr(found.card_data, "license", None) or ""),
        files=tuple(file for file in files if safe_name(file.name)),
    )


def _endpoint() -> str | None:
    """Return the hub to ask; None is huggingface_hub's own choice.

    The library reads the variable once, when it is imported, which may be before it is set.
    """
    return os.environ.get("HF_ENDPOINT") or None


def _refusal(error: Exception, repo: str, revision: str) -> str:
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return (
            f"The hub gives {repo!r} only to those who accepted its terms there and set HF_TOKEN."
        )
    if isinstance(error, RepositoryNotFoundError):
        return f"The hub has no model {repo!r}, or shows it only to some (set HF_TOKEN)."
    if isinstance(error, RevisionNotFoundError):
        return f"The hub's {repo!r} has no revision {revision!r}."
    return f"The hub refuses to answer ({_reason(error)})."


def _reason(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 120 else f"{words[:117]}..."


def choose(listing: Listing, file: str | None = None) -> tuple[HubFile, ...]:
    """Return the files to fetch: one format of the weights, and the text files beside them.

    Args:
        listing: What the repository holds.
        file: The one ``.gguf`` file that is wanted, with the texts that go along with it.

    Raises:
        DownloadError: If there are no weights that may be read, or several to choose from.
    """
    by_name = {each.name: each for each in listing.files}
    if file is not None:
        weights = [each for each in listing.files if each.name == file]
        if not weights:
            raise DownloadError(f"The hub's {listing.repo!r} has no file {file!r}.")
    else:
        weights = _safetensors(by_name) or _packed(listing)
    if any(_SPLIT.search(each.name) for each in weights):
        raise DownloadError(
            f"{weights[0].name!r} of the hub's {listing.repo!r} is one part of a model; only whole "
            "GGUF files are supported."
        )
    if weights[0].name.endswith(".gguf"):  # has everything in it
        texts = [each for each in listing.files if each.name in ("LICENSE", "README.md")]
    else:
        texts = [each for each in listing.files if _is_text(each.name)]
    return tuple(sorted((*weights, *texts), key=lambda each: each.size_bytes))


def _safetensors(files: dict[str, HubFile]) -> list[HubFile]:
    """Return the weights in the root folder: one file, or the parts that an index joins."""
    if WEIGHTS in files:
        return [files[WEIGHTS]]
    if INDEX in files:
        return [each for name, each in files.items() if _SHARD.fullmatch(name)]
    return []


def _packed(listing: Listing) -> list[HubFile]:
    found = [each for each in listing.files if each.name.endswith(".gguf")]
    if len(found) == 1:
        return found
    if found:
        names = ", ".join(each.name for each in found[:3]) + (", ..." if len(found) > 3 else "")
        raise DownloadError(
            f"The hub's {listing.repo!r} has {len(found)} GGUF files ({names}): name one, as in "
            f"hf:{listing.repo}/{found[0].name}."
        )
    if any(PurePosixPath(each.name).suffix in _PICKLES for each in listing.files):
        raise DownloadError(
            f"The hub's {listing.repo!r} has its weights only as a pickle, which can run any "
            "program and is never loaded."
        )
    raise DownloadError(f"The hub's {listing.repo!r} has no weights in safetensors or GGUF.")


def _is_text(name: str) -> bool:
    """Whether it is a text file of the model or of one step of a sentence encoder."""
    path = PurePosixPath(name)
    if name == MANIFEST:  # the store writes its own
        return False
    plain = path.suffix in _TEXTS or path.name in ("LICENSE", "NOTICE")
    return plain and (len(path.parts) == 1 or bool(re.fullmatch(r"\d+_\w+/config\.json", name)))


def download(listing: Listing, file: HubFile, folder: Path, meter: ByteProgress) -> Path:
    """Fetch one file into ``folder``, going on with what is there of it, and verify it.

    Args:
        listing: The repository and commit.
        file: Which one.
        folder: Where to; made if needed.
        meter: Told of bytes as they are there.

    Returns:
        The verified file.

    Raises:
        DownloadError: If the connection breaks for good, or another content comes.
        ResourceError: If the disk is full or may not be written.
    """
    target = folder / file.name
    if target.is_file() and _is_intact(target, file):
        meter.skip(file.size_bytes)
        return target
    partial = target.with_name(f"{target.name}.part")
    with explain_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if partial.is_file() and partial.stat().st_size > file.size_bytes:
            partial.unlink()
        _read_whole(listing, file, partial, meter)
        if not _is_intact(partial, file):
            partial.unlink()
            raise DownloadError(f"{file.name!r} came damaged from the hub.")
        partial.replace(target)
    return target


def _is_intact(path: Path, file: HubFile) -> bool:
    if path.stat().st_size != file.size_bytes:
        return False
    if file.sha256 is not None:
        return sha256_file(path) == file.sha256
    if file.git_oid is not None:  # Git's name of a content: "Git Internals", Pro Git (2014)
        digest = hashlib.sha1(f"blob {file.size_bytes}\0".encode(), usedforsecurity=False)
        digest.update(path.read_bytes())
        return digest.hexdigest() == file.git_oid
    return True


def _read_whole(listing: Listing, file: HubFile, partial: Path, meter: ByteProgress) -> None:
    """Read until the file is complete; a broken connection is taken up again a few times."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    have = partial.stat().st_size if partial.is_file() else 0
    meter.skip(have)
    failures = 0
    while have < file.size_bytes or not partial.is_file():
        before = have
        try:
            have = _read_some(listing, file, partial, have, meter)
            reason = f"it ended after {have} of {file.size_bytes} bytes"
        except httpx2.HTTPError as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code not in _TRANSIENT:
                raise DownloadError(_refusal(error, listing.repo, listing.commit)) from error
            have = partial.stat().st_size if partial.is_file() else 0
            reason = _reason(error)
        if have >= file.size_bytes:
            return
        failures = 0 if have > before else failures + 1
        if failures >= _TRIES:
            raise DownloadError(
                f"The connection to the hub broke while reading {file.name!r} ({reason})."
            )
        time.sleep(_PAUSE_S * 2**failures)


def _read_some(
    listing: Listing, file: HubFile, partial: Path, have: int, meter: ByteProgress
) -> int:
    """Append what one request gives to ``partial``, and return the length it then has."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    url = hf_hub_url(listing.repo, file.name, revision=listing.commit, endpoint=_endpoint())
    headers = build_hf_headers() | {"Accept-Encoding": "identity"}  # a range counts plain bytes
    if have:
        headers["Range"] = f"bytes={have}-"
    with get_session().stream("GET", url, headers=headers, timeout=_CONNECT_S) as answer:
        hf_raise_for_status(answer)
        if have and answer.status_code != 206:  # it began anew
            meter.skip(-have)
            have = 0
        with partial.open("ab" if have else "wb") as out:
            for chunk in answer.iter_bytes():  # as it arrives: what a break leaves is kept
                have += len(chunk)
                if have > file.size_bytes:
                    raise DownloadError(f"{file.name!r} of the hub is longer than the hub says.")
                out.write(chunk)
                meter.add(len(chunk))
    return have
