"""Pretrained encoders of the transformers library, with tiny models saved by the tests."""

import shutil
import socket
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import yaml

import deepglass
from deepglass.errors import SourceError, SpecError
from deepglass.nn.pretrained import PretrainedText, Source, find
from deepglass.nn.tokens import Field
from deepglass.run.storage.manifest import write_manifest

transformers = pytest.importorskip("transformers", reason="the extra `pretrained` is not installed")


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.ViTConfig(**sizes, image_size=8, patch_size=4, num_channels=3)
    transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


def learn(encoder: Path, out: Path, source: object = "sklearn:digits", **network: object) -> deepglass.Run:
    steps = 30 if source == "sklearn:digits" else 2
    settings = {"steps": steps, "batch_size": 64, "augment": False, "learning_rate": 0.01}
    chosen = {"pretrained": str(encoder), **network}
    return deepglass.train(source, "label", out=out, network=chosen, training=settings, baselines=False)


def distance(run: deepglass.Run, encoder: Path) -> float:
    """Distance of the run's encoder weights from the pretrained ones."""
    before = transformers.ViTModel.from_pretrained(encoder, add_pooling_layer=False).state_dict()
    after = {n.partition(".model.")[2]: t for n, t in run.objective.state_dict().items() if ".model." in n}
    moved = [(after[n] - t).abs().max().item() for n, t in before.items()]
    return max(moved)


def test_a_frozen_encoder_is_unchanged_and_fine_tuning_follows_its_rate(encoder, tmp_path):
    frozen = learn(encoder, tmp_path / "frozen", freeze=True)
    slow = learn(encoder, tmp_path / "slow", lr_multiplier=0.01)
    fast = learn(encoder, tmp_path / "fast", lr_multiplier=1.0)
    assert distance(frozen, encoder) == 0
    assert 0 < distance(slow, encoder) < distance(fast, encoder)
    assert fast.metrics["test"]["label"]["accuracy"] > 0.2  # ten classes


def test_a_run_does_not_need_the_pretrained_folder(encoder, tmp_path):
    run = learn(encoder, tmp_path / "run", freeze=True)
    shutil.rmtree(encoder)
    again = deepglass.Run(tmp_path / "run")
    picture = {"image": np.arange(64, dtype=np.uint8).reshape(8, 8)}
    assert again.predict([picture, picture]) == run.predict([picture, picture])


def test_a_run_without_its_configuration_is_damaged_and_nothing_is_looked_up(encoder, tmp_path, monkeypatch):
    learn(encoder, tmp_path / "run", freeze=True)
    spec = yaml.safe_load((tmp_path / "run/spec.yaml").read_text())
    del spec["network"]["source_config"]
    (tmp_path / "run/spec.yaml").write_text(yaml.safe_dump(spec | {"network": spec["network"] | {"pretrained": "a/b"}}))
    write_manifest(tmp_path / "run")

    def connect(*address: object) -> None:
        raise AssertionError("a run was looked up on the network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(SourceError, match=r"\[damaged-run\].*source_config"):
        deepglass.Run(tmp_path / "run").predict([{"image": np.zeros((8, 8), np.uint8)}])
    with pytest.raises(SourceError, match="damaged-run"):
        learn(encoder, tmp_path / "next", init_from=str(tmp_path / "run"))


@pytest.mark.parametrize("config", [{}, {"model_type": "none"}, {"model_type": "vit", "hidden_size": "x"}])
def test_a_configuration_of_no_model_is_refused(config):
    source = Source("x", "images", config, [0.5], [0.5])
    with pytest.raises(SpecError, match=r"network\.source_config"):
        PretrainedText(source, freeze=False, lr_multiplier=1.0)


def test_a_configuration_that_names_code_of_the_hub_runs_none_of_it(encoder):
    source = find(str(encoder))
    named = {"auto_map": "a/b--modeling.Model", "attn_implementation": "a/b", "_attn_implementation": "a/b"}
    with_code = source._replace(config={**source.config, **named})
    assert type(PretrainedText(with_code, freeze=False, lr_multiplier=1.0).model).__name__ == "ViTModel"


def test_only_safetensors_are_read(encoder, tmp_path):
    weights = encoder / "model.safetensors"
    weights.rename(encoder / "pytorch_model.bin")
    with pytest.raises(SourceError, match=r"expected a \.safetensors file in"):
        learn(encoder, tmp_path / "run")


def test_missing_folders_and_unsuitable_models_are_named(encoder, tmp_path):
    with pytest.raises(SourceError, match=r"\[not-found\] network.pretrained: there is no folder"):
        learn(tmp_path / "nowhere", tmp_path / "run")
    config = transformers.BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(SpecError, match=r"reads texts, but there is 'image' \(image\)"):
        learn(tmp_path / "bert", tmp_path / "run")
    with pytest.raises(SpecError, match=r"reads images, but there is 'words' \(text\)"):
        learn(encoder, tmp_path / "run", {"words": [f"red leaf {i}" for i in range(40)], "label": ["a", "b"] * 20})


@pytest.mark.parametrize("kind", ["resnet", "convnext"])
def test_encoders_with_feature_maps_are_supported(kind, tmp_path):
    make = {
        "resnet": lambda: transformers.ResNetModel(
            transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
        ),
        "convnext": lambda: transformers.ConvNextModel(
            transformers.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], image_size=16, num_stages=2)
        ),
    }[kind]
    make().save_pretrained(tmp_path / kind)
    few = {"image": np.random.default_rng(0).integers(0, 255, (60, 8, 8), np.uint8), "label": ["a", "b"] * 30}
    run = learn(tmp_path / kind, tmp_path / "run", few, freeze=True)
    assert set(run.metrics["test"]["label"]) > {"accuracy", "log_loss"}


SMALL = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
SMALL |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "vocab_size": 8}


@pytest.mark.parametrize("kind", ["whisper", "spectrogram"])
def test_spectrogram_models_are_rejected_for_texts_and_images(kind, tmp_path):
    if kind == "whisper":
        tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 1)
        config = transformers.WhisperConfig(**SMALL, **tokens, num_mel_bins=8, max_source_positions=20)
        transformers.WhisperModel(config).save_pretrained(tmp_path / kind)
    else:
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        transformers.ASTModel(transformers.ASTConfig(**sizes, max_length=32)).save_pretrained(tmp_path / kind)
    texts = {"text": [f"red leaf {i}" for i in range(40)], "label": ["a", "b"] * 20}
    with pytest.raises(SourceError, match=r"\[bad-value\] network.pretrained: .* reads spectrograms"):
        learn(tmp_path / kind, tmp_path / "run", texts)
    assert not (tmp_path / "run").exists()


WORDS = ["red", "green", "small", "large", "stone", "leaf"]


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """A tiny text encoder and its tokenizer."""
    tokenizers = pytest.importorskip("tokenizers", reason="the extra `text` is not installed")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    transformers.BertModel(transformers.BertConfig(vocab_size=8, **sizes), add_pooling_layer=False).save_pretrained(
        tmp_path / "bert"
    )
    words = {word: code for code, word in enumerate(["[UNK]", "[CLS]", *WORDS])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", 1)]
    )
    tokenizer.save(str(tmp_path / "bert" / "tokenizer.json"))
    return tmp_path / "bert"


def test_texts_use_the_tokenizer_of_the_model_and_a_run_does_not_need_its_folder(reader, tmp_path):
    random = np.random.default_rng(0)
    texts = [" ".join(WORDS[i] for i in random.integers(6, size=4)) for _ in range(200)]
    frame = pl.DataFrame({"text": texts, "stony": ["stone" in text for text in texts]})
    training = {"steps": 150, "learning_rate": 0.01, "threads": 1}
    chosen = {"pretrained": str(reader), "lr_multiplier": 1.0}
    out = tmp_path / "run"
    run = deepglass.train(
        frame, "stony", out=out, network=chosen, training=training, kinds={"text": "text"}, baselines=False
    )
    assert run.predictor.inputs[0].encode(pl.Series(["red leaf"])).values.tolist() == [1, 2, 7]
    assert run.metrics["test"]["stony"]["accuracy"] > 0.9
    shutil.rmtree(reader)
    rows = [{"text": "stone red"}, {"text": None}]
    assert deepglass.Run(out).predict(rows) == run.predict(rows)


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_encoder_decoder_models_use_the_encoder(kind, reader):
    config, model = {
        "t5": (transformers.T5Config(vocab_size=8, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2), "T5Model"),
        "gpt2": (transformers.GPT2Config(vocab_size=8, n_embd=16, n_layer=1, n_head=2, eos_token_id=1), "GPT2Model"),
    }[kind]
    folder = reader.parent / kind
    whole = getattr(transformers, model)(config).eval()
    whole.save_pretrained(folder)
    source = find(str(folder))
    encoder = PretrainedText(source, freeze=True, lr_multiplier=0.1)
    encoder.read_weights()
    codes = torch.tensor([[1, 2, 7], [1, 3, 0]])
    tokens = encoder.eval()(Field(codes, torch.tensor([[True] * 3, [True, True, False]])))
    assert (source.reads, source.width) == ("texts", 16)
    expected = (whole.encoder if kind == "t5" else whole)(input_ids=codes[:1]).last_hidden_state
    torch.testing.assert_close(tokens.values[:1], expected, atol=1e-5, rtol=1e-4)
