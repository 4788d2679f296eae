"""Networks that make photons. torch loads at the top of these files, so only functions import them."""
