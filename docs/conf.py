"""Sphinx's settings; `python -m docs.build` gathers the sources and runs it."""

from __future__ import annotations

import minifcn

project = "minifcn"
author = copyright = "the minifcn authors"
release = version = minifcn.__version__

extensions = ["sphinx.ext.autodoc", "myst_nb", "docs.docstrings", "docs.mathml"]
exclude_patterns = ["theme"]
nitpicky = False
suppress_warnings = ["misc.highlighting_failure", "ref.python"]

# Pages and notebooks: Markdown, formulas between dollars, anchors at headings; notebooks are shown, never run.
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True

# Docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "minifcn"
html_static_path = [str(minifcn.__path__[0]) + "/../docs/theme"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c8a", "color-brand-content": "#0b5c8a"},
    "dark_css_variables": {"color-brand-primary": "#7cc4ee", "color-brand-content": "#7cc4ee"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
