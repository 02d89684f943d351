"""Pages to look at: one HTML file that needs nothing else, neither a network nor a library, and opens from the disk.

    from minifcn.inspection import page
    from minifcn.inspection.page import tag

    body = [tag("h1", "A title"), tag("canvas", id="map", aria_label="what it shows")]
    data = {"names": names, "map": array}                      # to page.data in the browser
    page.write(path, "A title", body, data, scripts=[page.source("minifcn.room", "room.js")],
               styles=[page.source("minifcn.room", "room.css")])

In Python: `tag` builds elements and escapes all text; `picture` makes a data URI; `source` reads a script or style
sheet of the package; `write` writes the file, whole or not at all, and the same bytes for the same arguments.

In the browser, where scripts run in order after the body (`page.js` tells each function's arguments):

    page.data                     what `write` was given. NumPy arrays are packed: `await page.unpack(page.data.map)`
                                  gives {values, shape}, values a typed array
    page.tag, page.svg            elements from script; strings are text, never HTML
    page.hover(element, textOf)   a readout beside the pointer, and beside the element when it has the keyboard
    page.cell(event, element, rows, columns)   which cell of an array drawn over an element the pointer is on
    page.paint(canvas, values, rows, columns, colours)   bytes as pixels, by a table of colours
    page.number                   a number, short, for reading

`page.css` has the look: sections, tables, forms, `.readout`; light and dark, for print and for grey. Its colours are
custom properties (--ink, --faint, --paper, --card, --line, --accent, and Okabe and Ito's --blue, --orange, --green,
--vermilion, --purple, --sky, told apart with every kind of colour vision): styles and SVG use these, not their own.

The page's Content-Security-Policy lets nothing in but these scripts and styles, by their hashes, and data URIs as
pictures. So style attributes, handlers in attributes and `fetch` do nothing: scripts set `element.style.width` and
listen with `addEventListener`; SVG takes presentation attributes (fill, width).
"""

from minifcn.inspection.page.writing import HTML, ROOM, pack, picture, plain, source, tag, write

__all__ = ["HTML", "ROOM", "pack", "picture", "plain", "source", "tag", "write"]
