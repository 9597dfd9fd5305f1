"""`klein`: FLUX.2 klein. References are latents beside those of the picture; the prompt is all that its text encoder reads.

It knows the pipeline `Flux2KleinPipeline` of diffusers, whose steps it takes with latents that are kept instead of pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from PIL import Image
from torch import Tensor, nn

from worker.engines.painters.loop import LoopPainter, Progress
from worker.engines.published.painter import Brief

STEPS = 4
LAYERS = (9, 18, 27)  # of the text encoder, whose outputs the DiT is told; it needs no later ones


@dataclass(frozen=True, slots=True)
class Told:
    """A brief, for n pictures: embeddings of the prompt (n, l, d), latents of the references, and where each token is."""

    size: tuple[int, int]
    prompt: Tensor
    prompt_ids: Tensor
    ids: Tensor
    references: Tensor | None
    reference_ids: Tensor | None


class Klein(LoopPainter[Told]):
    """FLUX.2 klein."""

    def _encoders(self) -> Sequence[nn.Module]:
        return [self.pipe.vae]

    def _encode(self, picture: Image.Image) -> dict[str, Tensor]:
        pixels = self.pipe.image_processor.preprocess(
            picture, height=picture.height, width=picture.width, resize_mode="crop"
        ).to(self.pipe._execution_device, self.pipe.vae.dtype)
        return {"latents": self.pipe._encode_vae_image(pixels, None)[0]}

    def _tell(self, brief: Brief, generators: Sequence[torch.Generator], progress: Progress) -> Told:
        pipe, count = self.pipe, len(generators)
        device = pipe._execution_device
        prompt, prompt_ids = pipe.encode_prompt(
            brief.prompt, device=device, num_images_per_prompt=count, text_encoder_out_layers=LAYERS
        )
        grid = torch.empty(count, 1, *(side // (2 * pipe.vae_scale_factor) for side in reversed(brief.size)))
        references = self._references(brief, "latents")
        if not references:
            return Told(brief.size, prompt, prompt_ids, pipe._prepare_latent_ids(grid).to(device), None, None)
        return Told(
            brief.size,
            prompt,
            prompt_ids,
            pipe._prepare_latent_ids(grid).to(device),
            torch.cat([pipe._pack_latents(one) for one in references], dim=1).repeat(count, 1, 1),
            pipe._prepare_image_ids(references).repeat(count, 1, 1).to(device),
        )

    def _noise(self, told: Told, generators: list[torch.Generator]) -> Tensor:
        width, height = told.size
        latents: Tensor
        latents, _ = self.pipe.prepare_latents(
            len(generators),
            self.pipe.transformer.config.in_channels // 4,
            height,
            width,
            told.prompt.dtype,
            told.prompt.device,
            generators,
        )
        return latents

    def _schedule(self, latents: Tensor) -> None:
        self.pipe.scheduler.set_timesteps(
            sigmas=np.linspace(1.0, 1 / self.steps, self.steps),
            mu=compute_empirical_mu(latents.shape[1], self.steps),
            device=latents.device,
        )
        self.pipe.scheduler.set_begin_index(0)

    def _velocity(self, latents: Tensor, timestep: Tensor, told: Told) -> Tensor:
        seen, ids = latents, told.ids
        if told.references is not None and told.reference_ids is not None:
            seen = torch.cat([latents, told.references], dim=1)
            ids = torch.cat([told.ids, told.reference_ids], dim=1)
        velocity: Tensor = self.pipe.transformer(
            hidden_states=seen.to(self.pipe.transformer.dtype),
            timestep=timestep.expand(len(latents)).to(latents.dtype) / 1000,
            guidance=None,
            encoder_hidden_states=told.prompt,
            txt_ids=told.prompt_ids,
            img_ids=ids,
            return_dict=False,
        )[0]
        return velocity[:, : latents.shape[1]]

    def _spread(self, latents: Tensor, told: Told) -> Tensor:
        width, height = (side // (2 * self.pipe.vae_scale_factor) for side in told.size)
        spread: Tensor = self.pipe._unpack_latents_with_ids(latents, told.ids, height, width)
        return spread

    def _raw(self, spread: Tensor) -> Tensor:
        norm = self.pipe.vae.bn
        mean = norm.running_mean.view(1, -1, 1, 1).to(spread.device, spread.dtype)
        deviation = torch.sqrt(norm.running_var.view(1, -1, 1, 1) + self.pipe.vae.config.batch_norm_eps)
        raw: Tensor = self.pipe._unpatchify_latents(spread * deviation.to(spread.device, spread.dtype) + mean)
        return raw

    def _decode(self, raw: Tensor) -> Tensor:
        pixels: Tensor = self.pipe.vae.decode(raw, return_dict=False)[0]
        return pixels
