"""A demonstration that learns: a tiny vision-language model, trained with rewards from a running service."""

# The schemas come before everything that loads transformers.
from visreward import torchvision_schemas  # noqa: F401
