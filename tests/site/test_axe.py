"""No page has anything that axe-core, a checker of accessibility, finds fault with, in either theme."""

from built import PAGES

RUN = """async (options) => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"], preload: false, ...options });
  return violations.map(({ id, help, nodes }) => [id, help, nodes.length, nodes[0].html.slice(0, 200)]);
}"""
# All folds open; and of the code's colours one example each, as thousands of words have the same few.
PREPARE = """() => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  const seen = new Set();
  for (const word of document.querySelectorAll("pre span[class]")) {
    if (seen.has(word.className)) word.replaceWith(...word.childNodes);
    else seen.add(word.className);
  }
}"""
# The rules that depend on the theme.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


def test_no_violation(chromium, server, axe):
    """In the light theme by all rules, in the dark one by those about colours: the others see no theme."""
    page = chromium.new_page(reduced_motion="reduce")
    found = {}
    for name in PAGES:
        page.emulate_media(color_scheme="light")
        page.goto(server + name)
        page.evaluate(PREPARE)
        page.evaluate(axe)
        light = page.evaluate(RUN, {})
        page.emulate_media(color_scheme="dark")
        dark = page.evaluate(RUN, COLOURS)
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
    page.evaluate("document.querySelector('#the-notebooks > p').style.color = '#333'")
    assert [violation[0] for violation in page.evaluate(RUN, COLOURS)] == ["color-contrast"]
    page.close()
