"""Ways to look at data, nets and runs. These files look down at the engine; nothing in the engine looks at them."""

from minifcn.inspection.fields import bounded, field_of, receptive_field
from minifcn.inspection.labelling import label_map
from minifcn.inspection.stepping import show
from minifcn.inspection.tiling import tiles

__all__ = ["bounded", "field_of", "label_map", "receptive_field", "show", "tiles"]
