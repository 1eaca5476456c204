"""Sphinx's settings for the web edition. `make site` runs it through build.py."""

import sys
import tomllib
from pathlib import Path

from ipython_pygments_lexers import IPython3Lexer

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

project = "Inside LeNet-5"
author = "The authors of Inside LeNet-5"
version = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
language = "en"

# The last four are the modules beside this file.
extensions = ["myst_nb", "sphinx.ext.githubpages", "links", "formulas", "outputs", "folds"]

# The pages show what is stored.
nb_execution_mode = "off"
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["attrs_block", "dollarmath"]
myst_heading_anchors = 4
myst_heading_slug_func = "links.slug"
html_math_renderer = "mathml"

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["pages.css"]
html_js_files = ["scrollable.js", "search_in_files.js"]
html_favicon = "_static/icon.svg"
html_theme_options = {"top_of_page_buttons": []}
html_use_index = False
html_copy_source = False
html_scaled_image_link = False
html_show_copyright = False


def setup(app):
    # Python as cells have it, with `%cd` and `!git`.
    app.add_lexer("python", IPython3Lexer)
