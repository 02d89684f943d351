"""Ways to look at data, nets and runs. These files look down at the engine; nothing in the engine looks at them."""
