"""No page has anything that axe-core, a checker of accessibility, finds fault with, in either theme."""

import pytest
from conftest import PAGES
from npm import package

AXE = "4.14.1"
RUN = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, help, nodes }) => [id, help, nodes.length, nodes[0].html.slice(0, 200), nodes[0].target.join(" ")]);
}"""


@pytest.fixture(scope="session")
def axe():
    return (package("axe-core", AXE) / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation(chromium, server, axe, theme):
    page = chromium.new_page(color_scheme=theme)
    found = {}
    for name in PAGES:
        page.goto(server + name)
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        page.evaluate(axe)
        if violations := page.evaluate(RUN):
            found[name] = violations
    page.close()
    assert found == {}


def test_a_violation_is_found(chromium, server, axe):
    page = chromium.new_page()
    page.goto(server + "index.html")
    page.evaluate("document.querySelector('article img').removeAttribute('alt')")
    page.evaluate(axe)
    assert [violation[0] for violation in page.evaluate(RUN)] == ["image-alt"]
    page.close()
