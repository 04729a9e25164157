"""Pretrained audio encoders of the transformers library: sample rate and padding, with a tiny model."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import deepglass
from deepglass.errors import SpecError
from deepglass.nn.pretrained import PretrainedAudio, find
from deepglass.nn.tokens import Field

transformers = pytest.importorskip("transformers", reason="the extra `pretrained` is not installed")


@pytest.fixture(params=["group", "layer"])
def encoder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(8, 8),
        conv_kernel=(10, 8), conv_stride=(10, 8), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
        feat_extract_norm=request.param,
    )  # fmt: skip
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path / "heard")
    return tmp_path / "heard"


def test_batched_rows_agree_with_transformers_on_single_rows(encoder: Path) -> None:
    reader = PretrainedAudio(find(str(encoder)), freeze=True, lr_multiplier=0.1)
    reader.read_weights()
    reader.eval()
    random, lengths = np.random.default_rng(0), [2_000, 1_300, 0, 40]
    values = torch.from_numpy(random.integers(-9_000, 9_000, (4, 2_000)).astype(np.int16))  # the padding is noise
    mask = torch.arange(2_000) < torch.tensor(lengths)[:, None]
    tokens = reader(Field(values, mask))
    assert tokens.mask.sum(1).tolist() == [25, 16, 1, 1]
    extractor = transformers.Wav2Vec2FeatureExtractor()
    model = transformers.Wav2Vec2Model.from_pretrained(encoder).eval()
    for row in (0, 1):
        heard = extractor(values[row, : lengths[row]].numpy() / 32768, sampling_rate=16_000, return_tensors="pt")
        with torch.inference_mode():
            expected = model(heard.input_values.float()).last_hidden_state[0]
        torch.testing.assert_close(tokens.values[row, : len(expected)], expected, atol=1e-4, rtol=1e-3)


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """Low and high sine waves of several lengths at 8,000 samples per second."""
    random = np.random.default_rng(0)
    for i in range(40):
        place = tmp_path / "tones" / ("low" if i % 2 else "high") / f"{i}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        time = np.arange(800 + 100 * (i % 3)) / 8_000
        soundfile.write(place, 0.4 * np.sin(2 * np.pi * (300 if i % 2 else 1500) * time + random.random()), 8_000)
    return tmp_path / "tones"


def test_audio_is_resampled_and_a_run_does_not_need_the_folder(encoder: Path, tones: Path, tmp_path: Path):
    settings = {"steps": 3, "batch_size": 8}
    run = deepglass.train(
        str(tones), out=tmp_path / "run", network={"pretrained": str(encoder)}, training=settings, baselines=False
    )
    assert '"rate_": 16000' in (tmp_path / "run" / "features.json").read_text()
    row = [{"audio": str(tones / "low" / "1.wav")}]
    before = run.predict(row)
    encoder.rename(tmp_path / "gone")
    assert deepglass.Run(tmp_path / "run").predict(row) == before


def test_another_sample_rate_is_rejected_before_training(encoder: Path, tones: Path, tmp_path: Path) -> None:
    inputs = [{"name": "audio", "kind": "audio", "rate": 8_000}]
    with pytest.raises(SpecError, match=r"rate: .* expects 16,000 samples per second, got 8,000"):
        deepglass.train(str(tones), out=tmp_path / "run", inputs=inputs, network={"pretrained": str(encoder)})
