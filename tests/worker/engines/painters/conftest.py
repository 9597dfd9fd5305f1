"""Checkpoints of the painters' models with tiny random parts, saved as real ones are, and loaded by the same code."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    GlmImagePipeline,
    GlmImageTransformer2DModel,
    QwenImageEditPlusPipeline,
    QwenImageTransformer2DModel,
)
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import (
    ByT5Tokenizer,
    GlmImageConfig,
    GlmImageForConditionalGeneration,
    GlmImageProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5EncoderModel,
)
from transformers.models.glm_image.image_processing_pil_glm_image import GlmImageImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from worker.engines.painters.loading import Loading, PictureProcessor, load_glm, load_klein, load_qwen_edit
from worker.engines.painters.loop import LoopPainter
from worker.engines.published.painter import Brief, Reference

SIZE = (96, 64)
STEPS = 4
GLANCE = 56 * 56
PLAIN = Loading(dtype=torch.float32, steps=STEPS)

_BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
_QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
_CHAT = (
    "{% for one in messages %}<|im_start|>{{ one['role'] }}\n{{ one['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _qwen_tokenizer() -> Qwen2Tokenizer:
    words = {token: number for number, token in enumerate((*_QWEN, *_BYTES))}
    tokenizer = Qwen2Tokenizer(vocab=words, merges=[], extra_special_tokens=list(_QWEN[1:]))
    tokenizer.chat_template = _CHAT
    return tokenizer


def _awake(*parts: nn.Module) -> None:
    """Give every weight a say: some are born as zeros, and what is not heard cannot be compared."""
    for part in parts:
        for parameter in part.parameters():
            if not parameter.abs().max():
                nn.init.normal_(parameter, std=0.2)


def save_klein(folder: Path) -> None:
    """A checkpoint of FLUX.2 klein, whose text encoder has more layers than are used."""
    torch.manual_seed(0)
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        timestep_guidance_channels=16,
        axes_dims_rope=[4, 4, 4, 4],
        guidance_embeds=False,
    )
    vae = AutoencoderKLFlux2(
        sample_size=32,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
    )
    nn.init.normal_(vae.bn.running_mean, std=0.2)
    nn.init.uniform_(vae.bn.running_var, 0.5, 2.0)
    text_encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=272,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=30,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            max_position_embeddings=512,
        )
    )
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    _awake(transformer)
    Flux2KleinPipeline(scheduler, vae, text_encoder, _qwen_tokenizer(), transformer, True).save_pretrained(folder)


def save_qwen_edit(folder: Path) -> None:
    """A checkpoint of Qwen-Image-Edit."""
    torch.manual_seed(0)
    tokenizer = _qwen_tokenizer()
    ids = dict(zip(_QWEN, tokenizer.convert_tokens_to_ids(list(_QWEN)), strict=True))
    text_encoder = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                "vocab_size": 272,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
            },
            vision_config={
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": 16,
            },
            image_token_id=ids["<|image_pad|>"],
            vision_start_token_id=ids["<|vision_start|>"],
            vision_end_token_id=ids["<|vision_end|>"],
        )
    )
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 2, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1, -0.1, 0.2, 0.0],
        latents_std=[1.5, 0.7, 1.0, 2.0],
    )
    transformer = QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        guidance_embeds=False,
        axes_dims_rope=(8, 4, 4),
    )
    _awake(transformer)
    processor = PictureProcessor(Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=256 * 28 * 28), tokenizer)
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.02)
    QwenImageEditPlusPipeline(scheduler, vae, text_encoder, tokenizer, processor, transformer).save_pretrained(folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["processor"] = ["transformers", "Qwen2VLProcessor"]  # as published ones name it
    (folder / "model_index.json").write_text(json.dumps(index))


_GLM = ("<|endoftext|>", "<|image|>", "<|image_start|>", "<|image_end|>", "<|grid_start|>", "<|grid_end|>", "<|user|>")
_GLM_CHAT = (
    "{% for one in messages %}<|user|>{% for part in one['content'] %}{% if part['type'] == 'image' %}"
    "<|image_start|><|image|><|image_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
)
CODES = 64


def save_glm(folder: Path) -> None:
    """A checkpoint of GLM-Image, whose language model has more tokens than there are codes."""
    torch.manual_seed(0)
    words = {token: number for number, token in enumerate((*(f"code {code}" for code in range(CODES)), *_BYTES))}
    text = Tokenizer(models.BPE(vocab=words, merges=[]))
    text.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text.decoder = decoders.ByteLevel()
    text.add_special_tokens(list(_GLM))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=text,
        pad_token=_GLM[0],
        eos_token=_GLM[0],
        padding_side="left",
        extra_special_tokens={
            "image_token": "<|image|>",
            "grid_bos_token": "<|grid_start|>",
            "grid_eos_token": "<|grid_end|>",
            "bos_token": "<|image_start|>",
        },
    )
    ids = dict(zip(_GLM, tokenizer.convert_tokens_to_ids(list(_GLM)), strict=True))
    pictures = GlmImageImageProcessorPil(
        patch_size=16, merge_size=1, temporal_patch_size=1, size={"shortest_edge": 32 * 32, "longest_edge": 2048 * 2048}
    )
    language = GlmImageForConditionalGeneration(
        GlmImageConfig(
            text_config={
                "vocab_size": 336,
                "hidden_size": 32,
                "intermediate_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "max_position_embeddings": 2048,
                "vision_vocab_size": CODES + 16,
                "rope_parameters": {"mrope_section": [4, 2, 2], "rope_type": "default", "rope_theta": 1e4},
                "eos_token_id": ids[_GLM[0]],
                "pad_token_id": ids[_GLM[0]],
            },
            vision_config={"depth": 2, "hidden_size": 32, "num_heads": 2, "image_size": 32, "intermediate_size": 32},
            vq_config={"embed_dim": 32, "num_embeddings": CODES, "latent_channels": 32},
            image_token_id=ids["<|image|>"],
            image_start_token_id=ids["<|image_start|>"],
            image_end_token_id=ids["<|image_end|>"],
        )
    )
    nn.init.normal_(language.lm_head.weight, std=0.5)
    language.generation_config.update(do_sample=True, temperature=0.9, top_p=0.75)
    text_encoder = T5EncoderModel(T5Config(vocab_size=384, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2))
    transformer = GlmImageTransformer2DModel(
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        text_embed_dim=16,
        time_embed_dim=16,
        condition_dim=8,
        prior_vq_quantizer_codebook_size=CODES,
    )
    _awake(transformer)
    vae = AutoencoderKL(
        block_out_channels=(4, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=128,
        latents_mean=[0.1, -0.1, 0.2, 0.0],
        latents_std=[1.5, 0.7, 1.0, 2.0],
    )
    processor = GlmImageProcessor(pictures, tokenizer, chat_template=_GLM_CHAT)
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, time_shift_type="linear")
    GlmImagePipeline(ByT5Tokenizer(), processor, text_encoder, language, vae, transformer, scheduler).save_pretrained(
        folder
    )


SAVES: dict[str, Callable[[Path], None]] = {"klein": save_klein, "qwen-edit": save_qwen_edit, "glm": save_glm}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint's folder by the painter's name."""
    found = {name: tmp_path_factory.mktemp(name) for name in SAVES}
    for name, folder in found.items():
        SAVES[name](folder)
    return found


def load(name: str, folder: Path, loading: Loading = PLAIN, **more: Any) -> LoopPainter[Any]:
    """A painter of a tiny checkpoint."""
    if name == "klein":
        return load_klein(folder, loading, **more)
    if name == "qwen-edit":
        return load_qwen_edit(folder, loading, glance=GLANCE, **more)
    return load_glm(folder, loading, **more)


@pytest.fixture(scope="session")
def painters(folders: dict[str, Path]) -> dict[str, LoopPainter[Any]]:
    """One painter of each model, in float32. Tests that change one load their own."""
    return {name: load(name, folder) for name, folder in folders.items()}


@pytest.fixture(params=SAVES)
def name(request: pytest.FixtureRequest) -> str:
    """Each painter's name."""
    return str(request.param)


@pytest.fixture
def painter(name: str, painters: dict[str, LoopPainter[Any]]) -> LoopPainter[Any]:
    """Each painter."""
    return painters[name]


def picture(number: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture of noise, another for each number."""
    noise = torch.Generator().manual_seed(number)
    pixels = torch.randint(0, 256, (size[1], size[0], 3), generator=noise, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())


def brief(
    painter: LoopPainter[Any], pictures: Sequence[Image.Image] = (), prompt: str = 'Olivia says "hello"'
) -> Brief:
    """A brief with references that the painter has encoded."""
    return Brief(prompt, SIZE, tuple(Reference(one, painter.encode(one)) for one in pictures))
