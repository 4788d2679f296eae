"""A network that adds to the smoothest dose what the cells cannot show, held to what they measured."""
