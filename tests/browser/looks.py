"""What every explorer must hold, of whatever network: it fits, can be read, and is named to a screen reader."""

from lab import ROOT, explorer

SCREENSHOTS = ROOT / "build" / "screenshots"

PARTS = "canvas, button, .slider, .choice, figcaption, .bars"

# The least contrast between a text and what is behind it, among all texts of the explorer (WCAG 2.1, 1.4.3).
CONTRAST = """
    box => {
        const rgb = colour => colour.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
            .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = e => {
            for (; e; e = e.parentElement) {
                const colour = rgb(getComputedStyle(e).backgroundColor);
                if (colour.length < 4 || colour[3] === 1) return colour;
            }
            return [255, 255, 255];
        };
        const texts = [...box.querySelectorAll('*')].filter(
            e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
                && getComputedStyle(e).visibility === 'visible');
        return Math.min(...texts.map(e => {
            const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
            return (a + 0.05) / (b + 0.05);
        }));
    }
"""


def fits_and_can_be_read(page, call, theme, width):
    """Looks at an explorer in JupyterLab's light or dark theme; leaves a screenshot."""
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": before["height"] if width > 400 else 2400})
    use_theme(page, theme)
    box = explorer(page, call)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    box.screenshot(path=SCREENSHOTS / f"{call.rstrip('(, ').replace('(', '-')}-{theme.lower()}-{width}.png")
    place = box.bounding_box()
    parts = [part.bounding_box() for part in box.locator(PARTS.replace("button", "button:visible")).all()]
    contrast = box.evaluate(CONTRAST)
    use_theme(page, "Light")
    page.set_viewport_size(before)
    assert place["x"] + place["width"] <= width
    assert all(place["x"] <= part["x"] and part["x"] + part["width"] <= place["x"] + place["width"] for part in parts)
    assert contrast >= 4.5


def every_control_is_named_and_can_be_reached(box):
    sliders = box.get_by_role("slider").all()
    assert len(sliders) == box.locator(".slider:visible").count() > 0
    for one in sliders:
        words = one.locator("..").inner_text().split("\n")
        assert [one.get_attribute(key) for key in ("aria-label", "aria-valuetext")] == words and all(words)
    for group in box.locator(".choice").all():
        assert group.get_attribute("aria-label") == group.locator(".name").inner_text()
        assert group.get_by_role("button", pressed=True).count() == 1
    for sheet in box.locator(".thumbnails").all():
        assert sheet.get_by_role("button", pressed=True).count() <= 1
    for one in box.locator("input, button:visible, .paper canvas").all():
        assert one.evaluate("e => e.tabIndex >= 0")
    for one in box.locator(".picture canvas, .paper canvas").all():
        assert one.get_attribute("role") and one.get_attribute("aria-label") == one.get_attribute("title") != ""
    for one in box.locator("button:visible").all():
        assert one.inner_text().strip()


def use_theme(page, theme):
    page.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
    page.locator(f"body[data-jp-theme-light={str(theme == 'Light').lower()}]").wait_for(state="attached")
