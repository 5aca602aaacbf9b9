"""Words that the glossary of CONTRIBUTING retires stand nowhere in names, docstrings, messages and help."""

import ast
import re

import pytest

from tests.test_architecture import FILES, HOME, ROOMS

GLOSSARY = (HOME / "CONTRIBUTING.md").read_text().partition("## Words")[2].partition("\n## ")[0]
RETIRED = [word.strip() for row in re.findall(r"^\|.*\|(.*)\|$", GLOSSARY, re.M) for word in row.split(",")]
RETIRED = [word for word in RETIRED if re.search("[a-z]", word) and word != "not"]
PAGES = sorted((*HOME.glob("analysis/**/*.j2"), *(page for room in ROOMS for page in (HOME / room).glob("*.md"))))
OLD_RECORDS = {"lightning_bam/run_folder/manifest.py": {"lost"}}
"""What reads records of older versions must know their words."""


def texts(tree):
    """Yield the names that a file gives, and all that it says."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                yield re.sub(r"_|(?<=[a-z])(?=[A-Z])", " ", name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name.replace("_", " ")
            case ast.Constant(value=str(text)):
                yield text


def retired(text):
    return {word for word in RETIRED if re.search(rf"\b{word}s?\b", text, re.I)}


def test_the_glossary_retires_words():
    assert {"lost", "sign of life", "patience", "twin", "ledger"} <= set(RETIRED)
    assert retired("Say which runs are lost") == {"lost"}
    assert list(texts(ast.parse("def twin_of(lost_run): 'said'"))) == ["twin of", "lost run", "said"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOME)))
def test_no_file_says_one(path):
    name = str(path.relative_to(HOME))
    used = {word for text in texts(ast.parse(path.read_text())) for word in retired(text)}
    assert used - OLD_RECORDS.get(name, set()) == set()
    assert retired(path.stem.replace("_", " ")) == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(HOME)))
def test_no_page_says_one(path):
    assert retired(path.read_text()) == set()
