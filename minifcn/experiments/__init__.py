"""The paper's experiments as commands: one file each, run by `minifcn experiments NAME`.

A file has ABOUT, what the experiment shows and where the paper does; `add_flags(parser)`, its own settings; and
`run(arguments, out)`, which measures, prints, and leaves a table and a plot in the folder `out`. The paper's figures
stand beside ours only where the CVPR paper prints them.
"""
