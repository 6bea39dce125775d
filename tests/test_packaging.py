"""What is built, what is installed, and what an import costs."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = (
    "click",
    "jinja2",
    "joblib",
    "matplotlib",
    "numpy",
    "onnxruntime",
    "pandas",
    "polars",
    "scipy",
    "skimage",
    "sklearn",
    "tqdm",
    "urllib3",
)


def python(code: str, *, executable: str = sys.executable, cwd: Path | None = None) -> str:
    """Return what ``code`` prints in an interpreter of its own."""
    flags = [] if executable == sys.executable else ["-E"]  # a fresh environment, PYTHONPATH or not
    command = [executable, *flags, "-c", code]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_listed_packages_are_the_folders() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        setup = tomllib.load(file)["tool"]["setuptools"]
    folders = []
    for top, name in (("blackbox_xai", "blackbox_xai"), ("adapters", "blackbox_xai.adapters")):
        for init in sorted((ROOT / top).glob("**/__init__.py")):
            parts = init.parent.relative_to(ROOT / top).parts
            if top == "adapters" or parts[:1] != ("adapters",):
                folders.append(".".join((name, *parts)))
    assert sorted(setup["packages"]) == sorted(folders)
    assert setup["package-dir"]["blackbox_xai.adapters"] == "adapters"


def test_the_link_is_relative() -> None:
    link = ROOT / "blackbox_xai" / "adapters"
    assert link.is_symlink()
    assert link.readlink() == Path("../adapters")


def test_every_third_party_that_is_imported_is_declared() -> None:
    names = {
        "PIL": "pillow",
        "markupsafe": "jinja2",
        "sklearn": "scikit-learn",
        "skimage": "scikit-image",
    }
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"].values()
    declared = {_name(text) for group in [project["dependencies"], *extras] for text in group}
    used = {names.get(module, module) for module in _imported()}
    assert used <= declared, used - declared
    core = {_name(text) for text in project["dependencies"]}
    assert core <= used, core - used


def _name(requirement: str) -> str:
    return re.split(r"[>\[]", requirement)[0]


def _imported() -> set[str]:
    """Return the top-level names of other projects that our code imports."""
    found = set()
    for path in [*(ROOT / "blackbox_xai").glob("**/*.py"), *(ROOT / "adapters").glob("**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"blackbox_xai", "__future__"}


def test_import_loads_no_third_party_and_is_fast() -> None:
    code = (
        "import sys, time; began = time.process_time(); import blackbox_xai;"
        "print(time.process_time() - began);"
        f"print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    seconds, _, loaded = python(code).partition("\n")
    assert loaded == ""
    # Processor time, so that a busy machine does not count.
    assert float(seconds) < 0.1


def test_help_loads_no_numpy() -> None:
    heavy = set(HEAVY) - {"click"}
    code = (
        "import sys\nfrom blackbox_xai.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as done:\n    assert not done.code\n"
        f"print('loaded:', *sorted(set(sys.modules) & {heavy!r}))"
    )
    printed = python(code)
    assert "audit" in printed
    assert printed.splitlines()[-1] == "loaded:"


def build(*arguments: str, source: Path, out: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, *arguments, source],
        check=True,
        capture_output=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository: building writes into the tree."""
    copy = tmp_path_factory.mktemp("source") / "blackbox_xai"
    copy.mkdir()
    for name in ("blackbox_xai", "adapters"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build("--wheel", source=source, out=out)
    (built,) = out.glob("*.whl")
    return built


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def expected_contents() -> set[str]:
    """Return what a wheel has to hold: every file of both folders."""
    wanted = set()
    for top, prefix in (("blackbox_xai", ""), ("adapters", "blackbox_xai/")):
        for path in (ROOT / top).glob("**/*"):
            name = path.relative_to(ROOT).as_posix()
            inside_link = name.startswith("blackbox_xai/adapters")
            if path.is_file() and "__pycache__" not in name and not inside_link:
                wanted.add(prefix + name)
    return wanted


@pytest.mark.slow
def test_wheel_holds_every_file_and_nothing_else(wheel: Path) -> None:
    assert contents(wheel) == expected_contents()


@pytest.mark.slow
def test_wheel_from_sdist_is_the_same(wheel: Path, source: Path, tmp_path: Path) -> None:
    build(source=source, out=tmp_path)  # the sdist, then a wheel from it
    (sdist,) = tmp_path.glob("*.tar.gz")
    (again,) = tmp_path.glob("*.whl")
    assert contents(again) == contents(wheel)
    with tarfile.open(sdist) as archive:
        tops = {Path(name).parts[1] for name in archive.getnames() if "/" in name}
    assert {"adapters", "blackbox_xai", "pyproject.toml", "README.md", "LICENSE"} <= tops


@pytest.mark.slow
def test_installed_wheel_leaves_the_name_adapters_alone(wheel: Path, tmp_path: Path) -> None:
    """Somebody else's ``adapters`` and ours live side by side, in a fresh environment."""
    other = tmp_path / "other"
    (other / "adapters").mkdir(parents=True)
    (other / "adapters" / "__init__.py").write_text("OWNER = 'somebody else'\n")
    (other / "pyproject.toml").write_text(
        "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n"
        "[project]\nname = 'adapters'\nversion = '1.0'\n"
        "[tool.setuptools]\npackages = ['adapters']\n"
    )
    build("--wheel", source=other, out=tmp_path)

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    fresh = str(tmp_path / "env" / "bin" / "python")
    wheels = [wheel, *tmp_path.glob("adapters-*.whl")]
    pip = [sys.executable, "-m", "pip", "--python", fresh, "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--quiet", *wheels], check=True, capture_output=True)
    # Third parties come from the environment of the tests; its editable install does not, because
    # path files are not followed from a path file.
    site = Path(python("import sysconfig; print(sysconfig.get_path('purelib'))", executable=fresh))
    ours = python("import sysconfig; print(sysconfig.get_path('purelib'))")
    (site / "third_parties.pth").write_text(f"{ours}\n")

    code = (
        "import adapters, blackbox_xai as bx, blackbox_xai.adapters as own\n"
        "assert adapters.OWNER == 'somebody else'\n"
        "demo = bx.load_demo()\n"
        "model = bx.as_model(demo.model_path, output_names=demo.output_names)\n"
        "assert model.predict(demo.x[:3]).shape == (3, 2)\n"
        "import importlib.metadata as metadata\n"
        "files = metadata.files('blackbox_xai')\n"
        "print(bx.__file__, own.__file__, sep='\\n')\n"
        "print(*sorted({f.parts[0] for f in files if 'dist-info' not in f.parts[0]}))\n"
        "print(metadata.version('blackbox_xai') == bx.__version__)"
    )
    package, inner, tops, same = python(code, executable=fresh, cwd=tmp_path).splitlines()
    assert Path(package).parent == site / "blackbox_xai"
    assert Path(inner).parent == site / "blackbox_xai" / "adapters"
    assert tops.split() == ["..", "blackbox_xai"]  # "..": bin/blackbox-xai
    assert same == "True"


def test_the_design_page_shows_the_layers_that_are_checked() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        (contract, *_) = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    shown = page.split("## Layers\n")[1].split("\n## ")[0]
    assert [line.strip() for line in shown.splitlines() if line.startswith("    ")] == contract[
        "layers"
    ]
