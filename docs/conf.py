"""Sphinx configuration: `make docs` builds the pages of this folder, with warnings as errors."""

project = "django_repid"
author = "django_repid contributors"
copyright = "2026, django_repid contributors"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3  # So that `[text](page.md#a-heading)` works, and is checked.

html_theme = "furo"
html_title = "django_repid"
html_copy_source = False
html_show_sphinx = False
