"""The live part of the web edition: the page with the explorers, and what runs in it."""
