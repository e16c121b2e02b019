"""A demonstration that learns: a tiny vision-language model, trained with rewards from a running service."""

# The schemas come before everything that loads transformers.
from visreward_trainer import torchvision_schemas  # noqa: F401
