"""The actors of the tree, a file each. They never import each other: `daemon` hands them what they talk to."""
