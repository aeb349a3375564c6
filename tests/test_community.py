"""Files that tools read: for citing, for issues, for hooks."""

import re

import pytest
import yaml

from tests.conftest import PROJECT

TEMPLATES = PROJECT / ".github/ISSUE_TEMPLATE"


def read(name: str) -> dict:
    return yaml.safe_load((PROJECT / name).read_text(encoding="utf-8"))


def test_citation_is_that_of_the_readme():
    citation = read("CITATION.cff")
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
    paper = citation["preferred-citation"]
    bibtex = (PROJECT / "README.md").read_text(encoding="utf-8")
    names = (f"{a['family-names']}, {a['given-names']}" for a in paper["authors"])
    fields = {"title": paper["title"], "author": " and ".join(names), "year": str(paper["year"])}
    for field, value in fields.items():
        assert re.search(rf"{field} += {{(.*)}}", bibtex).group(1) == value


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.yaml")), ids=lambda path: path.stem)
def test_issue_forms_have_what_github_asks_for(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    fields = form["body"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


def test_hooks_come_from_the_environment_alone():
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}


def test_pages_lead_somewhere():
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", ".github/pull_request_template.md"):
        text = (PROJECT / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            assert link.startswith("https://") or (PROJECT / link).exists(), link
