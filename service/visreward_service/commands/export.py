"""`visreward export`: a Triton model repository from a loaded checkpoint."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from visreward.cli.command import Command, CommandError


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="NAME", help="the model's name in the settings")
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings that hold the model")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", required=True, help="the model repository; made if need be"
    )
    parser.add_argument(
        "--format",
        choices=("torchscript", "onnx"),
        default="torchscript",
        help="for Triton's PyTorch backend (the default), or for its ONNX Runtime",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace models that are there")


def run(args: Namespace) -> int:
    from visreward_service.models.errors import ModelError
    from visreward_service.models.export import export_model
    from visreward_service.models.formats import FORMATS
    from visreward_service.settings import SettingsError, load_settings

    try:
        settings = load_settings(args.config)
        if args.model not in settings.models:
            raise CommandError(
                f'No model "{args.model}" in the settings; known: {", ".join(settings.models)}.'
            )
        for written in export_model(
            args.model,
            settings.models[args.model],
            args.out,
            file_format=FORMATS[args.format],
            overwrite=args.overwrite,
        ):
            print(
                f"{written.name}: {written.folder}, differs from the original by at most {written.apart:.1e}"
            )
    except (ModelError, SettingsError) as error:
        raise CommandError(str(error)) from error
    return 0


COMMAND = Command(
    name="export",
    summary="Write a Triton model repository from a checkpoint.",
    add_arguments=add_arguments,
    run=run,
    extra="service",
)
