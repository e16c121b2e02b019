"""One small module per RL trainer: from what it hands over to items, from rewards to what it expects.

    settings    what an adapter asks of the service, from arguments and the environment
    labels      the fields of an item packed into the one field that a trainer passes on
    rows        items from the columns of a data set
    messages    texts from chat messages, completions from decoded token strings
    pictures    image inputs from what data sets and trainers hold
    upload      images to the service and their digests into a data set, before training
    gather      single calls made at about the same time, as one batch
    session     one process's way to the service
    columns     the numbers that go into a trainer's metrics
    the rest    an adapter each, named after its trainer

Importing any of these loads the client and nothing of a trainer, no torch and no numpy. `python -m
visreward.adapters NAME` prints the file of an adapter, for trainers that take a path.
"""
