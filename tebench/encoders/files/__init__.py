"""Weight files as data: nothing that a file names is ever imported or called."""
