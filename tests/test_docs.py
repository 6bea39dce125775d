"""Every example in README.md and docs/ is run, and what it prints is compared."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import blackbox_xai as bx

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Return the line and the text of every block in a language."""
    text = page.read_text(encoding="utf-8")
    found = [m for m in _FENCE.finditer(text) if m[1] == language]
    return [(text.count("\n", 0, m.start(2)), m[2]) for m in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks with prompts print what they say; blocks without run. A page is one session."""
    monkeypatch.chdir(tmp_path)
    session: dict[str, object] = {"__name__": "__main__"}
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for line, source in blocks(page, "python"):
        if ">>>" not in source:
            exec(compile("\n" * line + source, str(page), "exec"), session)
            continue
        test = doctest.DocTestParser().get_doctest(source, session, page.name, str(page), line)
        runner.run(test, clear_globs=False)
        session.update(test.globs)
    assert runner.summarize().failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shell_examples(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of ours, in blocks of kind ``console``, print what stands under them."""
    monkeypatch.chdir(tmp_path)
    for _, source in blocks(page, "console"):
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n?)*)", source, re.MULTILINE):
            program, *arguments = shlex.split(command)
            if program != "blackbox-xai":
                continue
            printed = run(arguments)
            matcher = doctest.OutputChecker()
            assert matcher.check_output(expected, printed, OPTIONS), f"$ {command}\n{printed}"


def run(arguments: list[str]) -> str:
    """Return what a command of ours writes to both streams, as a terminal would show it."""
    command = "import sys; from blackbox_xai.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
        text=True,
        check=False,
    )
    return done.stdout


def test_make_targets_exist() -> None:
    """A page names only targets that the Makefile has."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"^([a-z%-]+):", makefile, re.MULTILINE)
    patterns = [rule.replace("%", ".+") for rule in rules]
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        commands = re.findall(r"`make ([a-z-]+)", text)
        for _, block in blocks(page, "sh"):
            commands += re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)
        for target in commands:
            assert any(re.fullmatch(p, target) for p in patterns), f"{page.name}: make {target}"


def test_links_lead_somewhere() -> None:
    """A relative link in a page names a file of the repository."""
    for page in PAGES:
        prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_readme_names_what_is_public() -> None:
    """The table of what to use lists names that exist."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| you want.*?\n\n", text, re.MULTILINE | re.DOTALL)
    named = re.findall(r"`(\w+)`", table)
    assert named
    assert set(named) <= set(bx.__all__)


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, page.name
