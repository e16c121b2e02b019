"""What a trainer's process pays for `import visreward`."""

import subprocess
import sys

import pytest

import visreward

HEAVY = ("torch", "fastapi", "grpc", "numpy", "PIL", "starlette", "transformers", "rich")


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import visreward", "from visreward import *", "import visreward.cli; import visreward.protocol"],
)
def test_importing_the_client_loads_nothing_heavy(statement: str) -> None:
    # httpx loads rich for a program of its own where click is installed; the client itself does not.
    loaded = modules_after("import sys; sys.modules['click'] = None\n" + statement)
    assert loaded.isdisjoint(HEAVY)


def test_the_package_alone_does_not_even_load_an_http_library() -> None:
    assert modules_after("import visreward").isdisjoint({"httpx", "pydantic", "msgpack"})


def test_every_public_name_is_there_and_the_list_is_sorted() -> None:
    assert visreward.__all__ == sorted(visreward.__all__)
    assert all(getattr(visreward, name) is not None for name in visreward.__all__)
    assert set(visreward.__all__) <= set(dir(visreward))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'RewardCleint'"):
        _ = visreward.RewardCleint
