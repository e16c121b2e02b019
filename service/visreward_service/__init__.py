"""The visreward server: turns images, completions and references into rewards."""
