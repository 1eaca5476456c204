"""No page has anything that axe-core, a checker of accessibility, finds fault with, in either theme."""

import pytest
from built import PAGES
from npm import package

AXE = "4.14.1"
RUN = """async (options) => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"], ...options });
  return violations.map(({ id, help, nodes }) => [id, help, nodes.length, nodes[0].html.slice(0, 200)]);
}"""


@pytest.fixture(scope="session")
def axe():
    return (package("axe-core", AXE) / "axe.min.js").read_text(encoding="utf-8")


def test_no_violation(chromium, server, axe):
    """In the light theme by all rules, in the dark one by those about colours: the others see no theme."""
    page = chromium.new_page(reduced_motion="reduce")
    found = {}
    for name in PAGES:
        page.emulate_media(color_scheme="light")
        page.goto(server + name)
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        page.evaluate(axe)
        light = page.evaluate(RUN, {})
        page.emulate_media(color_scheme="dark")
        dark = page.evaluate(RUN, {"runOnly": ["cat.color"]})
        if light or dark:
            found[name] = light, dark
    page.close()
    assert found == {}


def test_a_violation_is_found(chromium, server, axe):
    page = chromium.new_page()
    page.goto(server + "index.html")
    page.evaluate("document.querySelector('article img').removeAttribute('alt')")
    page.evaluate(axe)
    assert [violation[0] for violation in page.evaluate(RUN, {})] == ["image-alt"]
    page.emulate_media(color_scheme="dark")
    page.evaluate("document.querySelector('article p').style.color = '#333'")
    assert [violation[0] for violation in page.evaluate(RUN, {"runOnly": ["cat.color"]})] == ["color-contrast"]
    page.close()
