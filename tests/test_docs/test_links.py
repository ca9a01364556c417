# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Links, commands and the version of the pages are right."""

import re
from functools import cache

from projects.maxtron import __version__

import pytest
import yaml

from tests.models import ROOT

PAGES = sorted(
    [
        *ROOT.glob('*.md'),
        *ROOT.glob('docs/**/*.md'),
        *ROOT.glob('configs/**/*.md'),
    ]
)
CODE = re.compile(r'^```.*?^```', re.DOTALL | re.MULTILINE)


@cache
def anchors(page):
    """Anchors of the headings of a page, as GitHub makes them."""
    text = CODE.sub('', page.read_text())
    return {
        re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-')
        for heading in re.findall(r'^#+ (.*)$', text, re.MULTILINE)
    }


@pytest.mark.parametrize(
    'page', PAGES, ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_lead_somewhere(page):
    links = re.findall(r'\]\(([^)\s]+)\)', CODE.sub('', page.read_text()))
    for link in links:
        if link.startswith(('http:', 'https:')):
            continue
        path, _, anchor = link.partition('#')
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.parts[-2:])
def test_scripts_exist(page):
    scripts = re.findall(
        r'(?:python|bash) ((?:tools|demo|docs)/\S+)', page.read_text()
    )
    assert not [path for path in scripts if not (ROOT / path).is_file()]


def test_readme_is_short():
    lines = (ROOT / 'README.md').read_text().splitlines()
    assert len(lines) <= 150


def test_index_lists_every_page():
    index = (ROOT / 'docs/index.md').read_text()
    names = {path.name for path in ROOT.glob('docs/*.md')} - {'index.md'}
    assert {name for name in names if f']({name})' in index} == names


def test_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['version'] == __version__
    changes = (ROOT / 'CHANGELOG.md').read_text()
    assert re.search(r'^## (.*)$', changes, re.MULTILINE)[1] == __version__
