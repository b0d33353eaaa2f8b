"""The documentation as a site: it is built without a warning, and needs no network."""

import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT = Path(__file__).parents[2]
CONFIGURATION = str(ROOT / "mkdocs.yml")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it; a warning ends the build."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(ROOT)  # docstrings are read from the source tree
        build(load_config(CONFIGURATION, site_dir=str(folder)))
    return folder


def test_every_page_of_docs_is_a_page_of_the_site(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    assert len(pages) > 20
    assert pages <= {page.relative_to(site) for page in site.rglob("*.html")}


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)\b[^>]*?(?:src|href)=[\"']?([^\"' >]+)", page.read_text())
        assert len(loaded) > 5
        assert not [address for address in loaded if address.startswith(("http:", "https:", "//"))], page


def test_reference_pages_have_the_public_functions(site: Path) -> None:
    import seedloom

    pages = "".join(page.read_text() for page in (site / "reference").glob("*.html"))
    documented = set(re.findall(r'<h\d id="[\w.]+\.(\w+)" class="doc', pages))
    assert documented >= set(seedloom.__all__) - {"__version__"}


@pytest.mark.parametrize(
    ("page", "warning"),
    [
        ("[a page](missing.md)", "missing.md"),
        ("[a section](#nowhere)", "nowhere"),
        ("::: seedloom.no_such_function", "no_such_function"),
    ],
)
def test_a_broken_reference_ends_the_build(
    page: str, warning: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Start\n\n{page}\n")
    folders = {"docs_dir": str(tmp_path / "docs"), "site_dir": str(tmp_path / "site")}
    with pytest.raises(Abort):
        build(load_config(CONFIGURATION, nav=["index.md"], **folders))
    assert warning in caplog.text
