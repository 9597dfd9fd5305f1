"""`qwen-edit`: Qwen-Image-Edit and models of its class. Its text encoder looks at the references too, so it runs every time.

It knows the pipeline `QwenImageEditPlusPipeline` of diffusers, and for a picture without references `QwenImagePipeline`,
which is made of the same parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import QwenImagePipeline
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import (
    CONDITION_IMAGE_SIZE,
    calculate_dimensions,
    calculate_shift,
)
from PIL import Image
from torch import Tensor, nn

from worker.engines.painters.loop import LoopPainter, Progress, fitted
from worker.engines.published.painter import Brief

STEPS = 40
STEPS_DISTILLED = 4  # with a LoRA that was made for few steps
GUIDANCE = 4.0  # away from what an empty prompt gives; a model for few steps has it within
GLANCE = CONDITION_IMAGE_SIZE  # pixels of a reference as the text encoder sees it


@dataclass(frozen=True, slots=True)
class Told:
    """A brief, for n pictures: embeddings of prompt and references, those of an empty prompt, latents of the references."""

    size: tuple[int, int]
    prompt: tuple[Tensor, Tensor | None]  # (n, l, d) and which of them count
    empty: tuple[Tensor, Tensor | None] | None
    references: Tensor | None
    shapes: list[list[tuple[int, int, int]]]


class QwenEdit(LoopPainter[Told]):
    """Qwen-Image-Edit. `guidance` above 1 asks the DiT twice a step."""

    def __init__(self, pipe: Any, *, guidance: float, glance: int = GLANCE, **more: Any) -> None:  # Any: LoopPainter's
        super().__init__(pipe, **more)
        parts = ("scheduler", "vae", "text_encoder", "tokenizer", "transformer")
        self._without = QwenImagePipeline(**{name: getattr(pipe, name) for name in parts})
        self._guidance = guidance
        self._glance = glance

    def _encoders(self) -> Sequence[nn.Module]:
        return [self.pipe.vae]

    def _encode(self, picture: Image.Image) -> dict[str, Tensor]:
        pixels = self.pipe.image_processor.preprocess(picture, picture.height, picture.width).unsqueeze(2)
        pixels = pixels.to(self.pipe._execution_device, self.pipe.vae.dtype)
        return {"latents": self.pipe._encode_vae_image(pixels, None)[0, :, 0]}

    def _tell(self, brief: Brief, generators: Sequence[torch.Generator], progress: Progress) -> Told:
        count = len(generators)
        references = self._references(brief, "latents")
        packed = [
            self.pipe._pack_latents(one[:, :, None], 1, one.shape[1], *one.shape[2:]).repeat(count, 1, 1)
            for one in references
        ]
        width, height = (side // (2 * self.pipe.vae_scale_factor) for side in brief.size)
        shapes = [(1, height, width), *((1, one.shape[2] // 2, one.shape[3] // 2) for one in references)]
        return Told(
            brief.size,
            self._embedded(brief.prompt, brief, count),
            self._embedded(" ", brief, count) if self._guidance > 1 else None,
            torch.cat(packed, dim=1) if packed else None,
            [shapes],
        )

    def _embedded(self, prompt: str, brief: Brief, count: int) -> tuple[Tensor, Tensor | None]:
        device = self.pipe._execution_device
        embedded: tuple[Tensor, Tensor | None]
        if not brief.references:
            embedded = self._without.encode_prompt(prompt, device, count, max_sequence_length=512)
            return embedded
        seen = []
        for one in brief.references:
            picture = fitted(one.picture.convert("RGB"), self._reference_pixels)
            width, height = calculate_dimensions(self._glance, picture.width / picture.height)
            seen.append(self.pipe.image_processor.resize(picture, height, width))
        embedded = self.pipe.encode_prompt(prompt, image=seen, device=device, num_images_per_prompt=count)
        return embedded

    def _noise(self, told: Told, generators: list[torch.Generator]) -> Tensor:
        width, height = told.size
        embeddings, _ = told.prompt
        latents: Tensor
        latents, _ = self.pipe.prepare_latents(
            None,
            len(generators),
            self.pipe.transformer.config.in_channels // 4,
            height,
            width,
            embeddings.dtype,
            embeddings.device,
            generators,
        )
        return latents

    def _schedule(self, latents: Tensor) -> None:
        config = self.pipe.scheduler.config
        self.pipe.scheduler.set_timesteps(
            sigmas=np.linspace(1.0, 1 / self.steps, self.steps),
            mu=calculate_shift(
                latents.shape[1],
                config.get("base_image_seq_len", 256),
                config.get("max_image_seq_len", 4096),
                config.get("base_shift", 0.5),
                config.get("max_shift", 1.15),
            ),
            device=latents.device,
        )
        self.pipe.scheduler.set_begin_index(0)

    def _velocity(self, latents: Tensor, timestep: Tensor, told: Told) -> Tensor:
        seen = latents if told.references is None else torch.cat([latents, told.references], dim=1)

        def asked(prompt: tuple[Tensor, Tensor | None]) -> Tensor:
            velocity: Tensor = self.pipe.transformer(
                hidden_states=seen,
                timestep=timestep.expand(len(latents)).to(latents.dtype) / 1000,
                guidance=None,
                encoder_hidden_states=prompt[0],
                encoder_hidden_states_mask=prompt[1],
                img_shapes=told.shapes,
                attention_kwargs={},
                return_dict=False,
            )[0]
            return velocity[:, : latents.shape[1]]

        wanted = asked(told.prompt)
        if told.empty is None:
            return wanted
        unguided = asked(told.empty)
        guided = unguided + self._guidance * (wanted - unguided)
        lengths = (torch.linalg.vector_norm(one, dim=-1, keepdim=True) for one in (wanted, guided))
        scaled: Tensor = guided * (next(lengths) / next(lengths))
        return scaled

    def _spread(self, latents: Tensor, told: Told) -> Tensor:
        width, height = told.size
        spread: Tensor = self.pipe._unpack_latents(latents, height, width, self.pipe.vae_scale_factor)
        return spread[:, :, 0]

    def _raw(self, spread: Tensor) -> Tensor:
        config = self.pipe.vae.config
        mean, deviation = (
            torch.tensor(of).view(1, -1, 1, 1).to(spread.device, self.pipe.vae.dtype)
            for of in (config.latents_mean, config.latents_std)
        )
        return spread.to(self.pipe.vae.dtype) / (1.0 / deviation) + mean

    def _decode(self, raw: Tensor) -> Tensor:
        pixels: Tensor = self.pipe.vae.decode(raw[:, :, None], return_dict=False)[0]
        return pixels[:, :, 0]
