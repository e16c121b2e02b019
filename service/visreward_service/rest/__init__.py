"""HTTP: translates requests and answers. Holds no logic."""

from visreward_service.rest.app import create_app

__all__ = ["create_app"]
