"""Makes the zip that the functions run: this project and the dependencies of its extra `aws`, for
Lambda's Python and processor.

`python -m deploy.aws.bundle` prints where it is. The same source and `uv.lock` make the same bytes,
and the name says which: so an upload that is there already is the right one, and a new name is what
makes CloudFormation change the functions.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
UV = ROOT / ".venv" / "bin" / "uv"
PYTHON = "3.13"
PLATFORM = "aarch64-manylinux_2_28"  # Amazon Linux 2023 has glibc 2.34
UNZIPPED_BYTES_MAX = 250_000_000  # what Lambda takes
DROPPED = (
    *("bin", ".lock", "**/__pycache__", "jsonschema/tests", "clearance/demo"),
    *("*.dist-info/RECORD", "*.dist-info/direct_url.json", "*.dist-info/uv_cache.json"),
)
"""What the functions do not need, or what would differ from one machine to the next."""

OF_SERVERS = ("httptools", "uvloop", "watchfiles")
"""What makes a server faster, and a function only larger."""

EARLIEST = (1980, 1, 1, 0, 0, 0)  # the only time that a zip can have everywhere
MODE = 0o644 << 16
COMMAND_SECONDS_MAX = 900


def bundle(folder: Path) -> Path:
    """The zip, in a folder. RuntimeError if it would be larger than Lambda takes."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        content = Path(scratch) / "content"
        _install(content, Path(scratch))
        for pattern in DROPPED:
            for path in content.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        files = sorted(path for path in content.rglob("*") if path.is_file())
        size = sum(path.stat().st_size for path in files)
        if size > UNZIPPED_BYTES_MAX:
            raise RuntimeError(f"The code has {size} bytes; Lambda takes {UNZIPPED_BYTES_MAX}.")
        packed = Path(scratch) / "code.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                about = zipfile.ZipInfo(str(path.relative_to(content)), EARLIEST)
                about.external_attr, about.compress_type = MODE, zipfile.ZIP_DEFLATED
                archive.writestr(about, path.read_bytes())
        version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "version"
        ]
        named = (
            folder
            / f"clearance-{version}-{hashlib.sha256(packed.read_bytes()).hexdigest()[:16]}.zip"
        )
        shutil.copyfile(packed, named)
    return named


def _install(content: Path, scratch: Path) -> None:
    """Wheels only, exactly those of uv.lock by their digests, and our own wheel beside them."""
    locked = scratch / "locked.txt"
    left_out = [word for name in OF_SERVERS for word in ("--no-emit-package", name)]
    _uv(
        "export",
        "--frozen",
        "--no-dev",
        "--no-emit-project",
        *left_out,
        "--extra",
        "aws",
        "--output-file",
        locked,
    )
    target = (
        "--target",
        content,
        "--python-platform",
        PLATFORM,
        "--python-version",
        PYTHON,
        "--only-binary",
        ":all:",
    )
    _uv("pip", "install", *target, "--require-hashes", "--no-deps", "--requirements", locked)
    _uv("build", "--wheel", "--out-dir", scratch)
    wheel = next(scratch.glob("clearance-*.whl"))
    _uv("pip", "install", *target, "--no-deps", wheel)


def _uv(*words: str | Path) -> None:
    command = [str(UV), "--quiet", *(str(word) for word in words)]
    subprocess.run(
        command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=COMMAND_SECONDS_MAX
    )


if __name__ == "__main__":
    made = bundle(ROOT / "dist")
    sys.stdout.write(f"{made.relative_to(ROOT)}\n")
