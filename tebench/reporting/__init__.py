"""What people read: tables (terminal, CSV, Markdown, LaTeX, HTML) and figures (PNG, SVG, PDF) of evaluations."""
