"""Two sides of photons, real and generated: how alike they are, beside what real against real gives."""
