"""The generated code is what the `.proto` files say."""

from visreward_service.grpc.proto.generate import generate


def test_the_generated_code_is_that_of_the_proto_files() -> None:
    generated = generate()
    assert len(generated) == 4
    for path, text in generated.items():
        written = path.read_text(encoding="utf-8")
        assert written == text, f"{path.name}: run python -m visreward_service.grpc.proto.generate"
