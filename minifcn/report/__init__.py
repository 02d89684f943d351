"""`minifcn report RUN`: all that a run has come to, on one page for a browser.

    __main__.py   the command: parse, evaluate, write
    run.py        what the folder of a run says, and its nets
    scoring.py    every picture's prediction and score; the worst, the best, and those that show a confusion
    album.py      those pictures as the page holds them, as small as they must be
    sections.py   the page's HTML
    report.css, charts.js, confusion.js, album.js, report.js      its look, and what moves on it

None of these makes a measure of its own: they are `minifcn.metrics`'s.
"""
