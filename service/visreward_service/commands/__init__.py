"""The service's commands of the `visreward` program. Light modules: what works is imported in `run`."""
