"""Pretrained encoders of the transformers library for images, texts and audio. Only safetensors are loaded.

source = find("facebook/dinov2-small")                                 # or a folder
encoder = PretrainedImages(feature.normalizer("unit"), 3, source, freeze=True, lr_multiplier=0.1)
encoder.read_weights()
tokens = encoder(field)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.documents import read_json
from deepglass.errors import MissingExtra, SourceError, SpecError
from deepglass.nn.tokens import Field, Tokens, TokenShape

Kind = Literal["images", "texts", "audio"]
_INPUT_KINDS: dict[str, Kind] = {"pixel_values": "images", "input_ids": "texts", "input_values": "audio"}
_WAVES = frozenset(["conv_kernel", "conv_stride", "feat_extract_norm"])  # settings of wav2vec 2.0 and similar models
_RATE = 16_000  # samples per second, for models without a setting
_SIDE = 224  # pixels of an image, for models that accept any size
_OF_CODE = ("_", "auto_map", "attn_implementation", "experts_implementation")  # settings that may name code of the hub
_OF_FILES = ("transformers_version", "_name_or_path", "dtype", "torch_dtype")


class Source(NamedTuple):
    """A pretrained model: name or folder, input type and configuration, all plain JSON."""

    name: str
    reads: Kind
    config: Mapping[str, Any]
    mean: Sequence[float]
    std: Sequence[float]
    rate: int = _RATE  # samples per second of the audio
    normalise: bool = True  # standardise each recording

    @property
    def size(self) -> tuple[int, int]:
        """(Y, X) of its images."""
        side = self.config.get("image_size") or _SIDE
        return (side, side) if isinstance(side, int) else tuple(side)

    @property
    def width(self) -> int:
        """Width of its tokens."""
        return int(self.config.get("hidden_size") or self.config["hidden_sizes"][-1])


def find(name: str) -> Source:
    """Configuration of a local folder or a name on the hub.

    Raises:
        MissingExtra: transformers is not installed.
        SourceError: `not-found`, `unreadable-file`; `bad-value` for a model that reads no images, texts or audio.
    """
    try:
        config = _transformers().AutoConfig.from_pretrained(_checked_location(name), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise SourceError("not-found", f"network.pretrained: {name}: {str(error).partition(chr(10))[0]}") from error
    config = getattr(config, "vision_config", config)
    reads = _reads(name, config)
    width = getattr(config, "hidden_size", None)  # resolves aliases of the setting in other models
    config = config.to_dict() | ({"hidden_size": width} if width else {})
    config = {k: list(v) if isinstance(v, tuple) else v for k, v in config.items()}
    plain = {k: v for k, v in config.items() if isinstance(v, str | int | float | bool | list) and k not in _OF_FILES}
    steps = _preprocessing(name)
    mean, std = steps.get("image_mean", [0.5] * 3), steps.get("image_std", [0.5] * 3)
    return Source(name, reads, plain, mean, std, steps.get("sampling_rate", _RATE), steps.get("do_normalize", True))


def _reads(name: str, config: Any) -> Kind:
    """Input type of a model; one for spectrograms is not supported."""
    model = _transformers().MODEL_MAPPING.get(type(config), None)
    model = model[0] if isinstance(model, tuple) else model
    takes = getattr(model, "main_input_name", "")
    if takes in _INPUT_KINDS and (takes != "input_values" or config.to_dict().keys() >= _WAVES):
        return _INPUT_KINDS[takes]
    what = "spectrograms" if takes in ("input_features", "input_values") else "neither images, texts nor audio"
    raise SourceError(
        "bad-value",
        f"network.pretrained: {name} ({config.model_type}) reads {what}; take a model of images (such as DINOv2), "
        "texts (BERT) or audio (wav2vec 2.0, HuBERT)",
    )


class PretrainedEncoder(nn.Module):
    """A pretrained model, whose weights are loaded when a run starts.

    Args:
        freeze: keep the encoder's weights; else they are trained at `lr_multiplier` times the learning rate.
    """

    def __init__(self, source: Source, *, freeze: bool, lr_multiplier: float) -> None:
        super().__init__()
        self.source, self.freeze = source, freeze
        self.model = _encoder(_untrained(source))
        for parameter in self.model.parameters():
            parameter.requires_grad_(not freeze)
            parameter.lr_multiplier = lr_multiplier  # see training.optimizers
        self.shape = TokenShape(None)

    def read_weights(self) -> None:
        """Load the pretrained weights; a loaded or resumed run has its own.

        Raises:
            SourceError: `unreadable-file`.
        """
        try:
            model = _transformers().AutoModel.from_pretrained(
                _checked_location(self.source.name), use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            raise SourceError("unreadable-file", f"network.pretrained: {self.source.name}: {error}") from error
        self.model.load_state_dict(_encoder(getattr(model, "vision_model", model)).state_dict(), strict=False)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.freeze:
            self.model.eval()
        return self


class PretrainedText(PretrainedEncoder):
    """Text encoder, on the codes of the model's own tokenizer.

    Shapes:
        field: values and mask (B, T) -> Tokens (B, T, width); a missing text is its first code alone.
    """

    def forward(self, field: Field) -> Tokens:
        mask = field.mask | (~field.mask.any(1, keepdim=True) & (torch.arange(field.mask.shape[1]) == 0).to(field.mask))
        x = self.model(input_ids=field.values.long(), attention_mask=mask.long()).last_hidden_state
        return Tokens(x, mask)


class PretrainedImages(PretrainedEncoder):
    """Image encoder: resizing and normalisation of the model, then its last hidden tokens.

    Args:
        normalizer: codes to floats from 0 to 1.
        channels: C of the images; a single channel is repeated.

    Shapes:
        field: values (B, C, Y, X), mask (B,) -> Tokens (B, T, width); a missing image is grey.
    """

    def __init__(
        self, normalizer: nn.Module, channels: int, source: Source, *, freeze: bool, lr_multiplier: float
    ) -> None:
        super().__init__(source, freeze=freeze, lr_multiplier=lr_multiplier)
        self.normalizer = normalizer
        self.repeat = source.config.get("num_channels", 3) if channels == 1 else 1
        self.mean = nn.Buffer(torch.tensor(source.mean).view(1, -1, 1, 1))
        self.std = nn.Buffer(torch.tensor(source.std).view(1, -1, 1, 1))

    def forward(self, field: Field) -> Tokens:
        x = self.normalizer(field.values)
        x = torch.where(field.mask.view(-1, 1, 1, 1), x, 0.5)
        x = x.repeat(1, self.repeat, 1, 1) if self.repeat > 1 else x
        if x.shape[-2:] != self.source.size:
            x = F.interpolate(x, self.source.size, mode="bilinear", align_corners=False, antialias=True)
        x = self.model(pixel_values=(x - self.mean) / self.std).last_hidden_state
        x = x.flatten(2).mT if x.ndim == 4 else x  # convolutional models give maps
        return Tokens(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))


class PretrainedAudio(PretrainedEncoder):
    """Audio encoder of the wav2vec 2.0 family, at the model's sample rate.

    Rows of equal length are batched without padding, as some models normalise over time.

    Shapes:
        field: values (B, S) int16, mask (B, S) -> Tokens (B, T, width); missing audio is a short silence.

    Source: Baevski et al., 2020, arXiv 2006.11477; Hsu et al., 2021, arXiv 2106.07447.
    """

    def forward(self, field: Field) -> Tokens:
        lengths = field.mask.sum(1).clamp_min(self.shortest)
        waves = field.values.float() / 32768 * field.mask
        waves = F.pad(waves, (0, max(self.shortest - waves.shape[1], 0)))
        frames = {int(n): self._frames(int(n)) for n in lengths.unique()}
        x = waves.new_zeros(len(waves), max(frames.values()), self.source.width)
        mask = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
        for length, count in frames.items():
            rows = torch.nonzero(lengths == length)[:, 0]
            x[rows, :count] = self.model(self._scaled(waves[rows, :length])).last_hidden_state.to(x.dtype)
            mask[rows, :count] = True
        return Tokens(x, mask)

    @property
    def shortest(self) -> int:
        """Samples of one frame."""
        samples = 1
        for kernel, stride in reversed(self._convolutions):
            samples = (samples - 1) * stride + kernel
        return samples

    @property
    def _convolutions(self) -> list[tuple[int, int]]:
        return list(zip(self.source.config["conv_kernel"], self.source.config["conv_stride"], strict=True))

    def _frames(self, samples: int) -> int:
        for kernel, stride in self._convolutions:
            samples = (samples - kernel) // stride + 1
        return samples

    def _scaled(self, waves: Tensor) -> Tensor:
        if not self.source.normalise:
            return waves
        centred = waves - waves.mean(1, keepdim=True)
        return centred / (centred.square().mean(1, keepdim=True) + 1e-7).sqrt()  # as transformers does


def _untrained(source: Source) -> Any:
    """The model of a configuration, which nothing is looked up for: neither code nor weights.

    Raises:
        SpecError: `bad-value` for a configuration of no known model.
    """
    library = _transformers()
    plain = {k: v for k, v in source.config.items() if isinstance(v, str | int | float | bool | list)}
    settings = {k: v for k, v in plain.items() if k != "model_type" and not k.startswith(_OF_CODE)}
    if source.reads == "audio":
        settings["apply_spec_augment"] = False  # its masked spans may be longer than a short recording
    try:
        config = library.AutoConfig.for_model(source.config["model_type"], **settings)
        if hasattr(config, "use_pretrained_backbone"):
            config.use_pretrained_backbone = False  # else its weights are downloaded
        return library.AutoModel.from_config(config, trust_remote_code=False)
    except Exception as error:  # the library raises classes of its own without a common base
        raise SpecError(
            "bad-value", f"network.source_config: expected the configuration of a model of transformers ({error})"
        ) from error


def _encoder(model: Any) -> Any:
    """The model, or the encoder of an encoder-decoder model (T5, BART)."""
    return model.get_encoder() if model.config.is_encoder_decoder else model


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra("transformers", "pretrained", "network.pretrained") from error
    transformers.utils.logging.set_verbosity_error()  # no messages about layers that are not used here
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _checked_location(name: str) -> str:
    """A local folder, or a name on the hub.

    Raises:
        SourceError: `not-found` for what looks like a path; `unreadable-file` for a folder without safetensors.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise SourceError("not-found", f"network.pretrained: there is no config.json in {path}")
        if not any(path.glob("*.safetensors")):
            raise SourceError(
                "unreadable-file",
                f"network.pretrained: expected a .safetensors file in {path}; no other format is read",
            )
        return str(path)
    if name.startswith((".", "/", "~")):
        raise SourceError("not-found", f"network.pretrained: there is no folder {name}")
    return name


def _preprocessing(name: str) -> dict[str, Any]:
    """Content of preprocessor_config.json; empty without one."""
    path = Path(name).expanduser()
    if path.is_dir():
        file = path / "preprocessor_config.json"
        return read_json(file) if file.is_file() else {}
    try:
        return _transformers().AutoImageProcessor.from_pretrained(name, trust_remote_code=False).to_dict()
    except (OSError, ValueError, ImportError):
        return {}
