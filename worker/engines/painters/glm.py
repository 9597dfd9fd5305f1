"""`glm`: GLM-Image. A language model writes the codes of a picture, one after the other, and a DiT makes a picture of them.

It knows the pipeline `GlmImagePipeline` of diffusers. With transformers 5.23 that cannot look at pictures, and it forgets
the codes that it draws; so the loop over the codes is our own, on the pipeline's model, and codes are kept: of what was
drawn as they were drawn, of other pictures as the model's own tokenizer gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from diffusers.pipelines.glm_image.pipeline_glm_image import calculate_shift
from PIL import Image
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.image_utils import SizeDict

from worker.engines.contract import Arrays
from worker.engines.painters.loop import MULTIPLE, LoopPainter, Progress
from worker.engines.published.painter import Brief

STEPS = 30
GUIDANCE = 1.5
CODES_A_STEP = 32  # codes that count as one step of the progress


@dataclass(frozen=True, slots=True)
class Told:
    """A brief, for n pictures: their codes, embeddings of what is written in them, and what the DiT remembers of references."""

    size: tuple[int, int]
    codes: Tensor  # (n, h, w), one of 32 × 32 pixels
    prior: Tensor  # (n, 4 h w): the same, one of 16 × 16 pixels
    glyphs: Tensor
    no_glyphs: Tensor
    seen: GlmImageKVCache
    references: bool


class Glm(LoopPainter[Told]):
    """GLM-Image."""

    def __init__(self, pipe: Any, **more: Any) -> None:  # Any: LoopPainter's
        super().__init__(pipe, **more)
        # The processor would enlarge small pictures, and then there are more codes than the DiT has places for them.
        pipe.processor.image_processor.size = SizeDict(shortest_edge=1, longest_edge=4096 * 4096)
        model = pipe.vision_language_encoder
        config, _ = model._prepare_generation_config(None, do_sample=True)
        self._warped = model._get_logits_processor(config, input_ids_seq_length=0)
        self._codebook = pipe.transformer.config.prior_vq_quantizer_codebook_size

    def _encoders(self) -> Sequence[nn.Module]:
        model = self.pipe.vision_language_encoder.model
        return [self.pipe.vae, model.visual, model.vqmodel]

    def _encode(self, picture: Image.Image) -> dict[str, Tensor]:
        pipe, model = self.pipe, self.pipe.vision_language_encoder
        device = pipe._execution_device
        pixels = pipe.image_processor.preprocess(picture, height=picture.height, width=picture.width)
        latents = pipe.vae.encode(pixels.to(device, pipe.vae.dtype)).latent_dist.mode()
        mean, deviation = self._scale(latents)
        seen = pipe.processor.image_processor(images=[picture], return_tensors="pt").to(device)
        if hasattr(model, "_hf_hook"):  # of accelerate, which moves a model that is offloaded for `forward` alone
            model._hf_hook.pre_forward(model)
        features = model.get_image_features(seen["pixel_values"], seen["image_grid_thw"]).pooler_output
        _, height, width = seen["image_grid_thw"][0].tolist()
        codes = model.get_image_tokens(features).view(height, width).int()
        return {"latents": ((latents - mean) / deviation)[0], "codes": codes}

    def _scale(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        config = self.pipe.vae.config
        mean, deviation = (
            torch.tensor(of).view(1, -1, 1, 1).to(latents.device, latents.dtype)
            for of in (config.latents_mean, config.latents_std)
        )
        return mean, deviation

    def _steps_before(self, brief: Brief) -> int:
        return -(-sum(height * width for height, width in self._grids(brief)) // CODES_A_STEP)

    def _grids(self, brief: Brief) -> list[tuple[int, int]]:
        """(height, width) in codes of what the language model writes: the picture; without references a small one first."""
        width, height = brief.size
        large_height, large_width, small_height, small_width = self.pipe.processor._get_target_shape(height, width)
        large = (large_height, large_width)
        return [large] if brief.references else [(small_height, small_width), large]

    def _tell(self, brief: Brief, generators: Sequence[torch.Generator], progress: Progress) -> Told:
        pipe = self.pipe
        device, dtype = pipe._execution_device, pipe.transformer.dtype
        codes = self._write(brief, generators, progress)
        glyphs, no_glyphs = pipe.encode_prompt(
            brief.prompt, True, num_images_per_prompt=len(generators), device=device, dtype=dtype
        )
        seen = GlmImageKVCache(num_layers=pipe.transformer.config.num_layers)
        if brief.references:
            seen.set_mode("write")
        for latents, known in zip(self._references(brief, "latents"), self._references(brief, "codes"), strict=True):
            prior = _doubled(known)[0]
            pipe.transformer(
                hidden_states=latents,
                encoder_hidden_states=torch.zeros_like(glyphs)[:1, :0],
                prior_token_id=prior,
                prior_token_drop=torch.zeros_like(prior, dtype=torch.bool),
                timestep=torch.zeros(1, device=device),
                target_size=torch.tensor([latents.shape[-2:]], device=device) * pipe.vae_scale_factor,
                crop_coords=torch.zeros(1, 2, device=device),
                kv_caches=seen,
            )
        return Told(brief.size, codes, _doubled(codes), glyphs, no_glyphs, seen, bool(brief.references))

    def _write(self, brief: Brief, generators: Sequence[torch.Generator], progress: Progress) -> Tensor:
        """Codes (n, h, w) of the pictures, each drawn by a generator of its own."""
        model, count = self.pipe.vision_language_encoder, len(generators)
        own = [torch.Generator().manual_seed(generator.initial_seed()) for generator in generators]
        asked = self._asked(brief)
        cache = DynamicCache(config=model.config.text_config)
        grids = self._grids(brief)
        written: list[Tensor] = []
        scores = model(
            input_ids=asked["input_ids"].repeat(count, 1),
            image_grid_thw=asked["image_grid_thw"].repeat(count, 1),
            images_per_sample=asked["images_per_sample"].repeat(count),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        total = sum(height * width for height, width in grids)
        while True:
            scores = scores[:, -1].float()
            scores[:, self._codebook :] = -torch.inf  # no end before the end
            weights = self._warped(asked["input_ids"], scores).softmax(dim=-1).cpu()
            drawn = [torch.multinomial(one, 1, generator=each) for one, each in zip(weights, own, strict=True)]
            written.append(torch.stack(drawn).to(scores.device))
            if len(written) % CODES_A_STEP == 0 or len(written) == total:
                progress.done(-(-len(written) // CODES_A_STEP))
            else:
                progress.check()
            if len(written) == total:
                break
            scores = model(input_ids=written[-1], past_key_values=cache, use_cache=True).logits
        height, width = grids[-1]
        return torch.cat(written, dim=1)[:, -height * width :].view(count, height, width)

    def _asked(self, brief: Brief) -> Any:  # Any: transformers' own kind of dictionary
        """What the language model is given: the processor's own layout, with known codes where it has places for them.

        The processor wants pictures, of which nothing but the size matters here.
        """
        width, height = brief.size
        grids = [one.arrays["codes"].shape for one in brief.references]
        blank = [Image.new("RGB", (wide * MULTIPLE, high * MULTIPLE)) for high, wide in grids]
        content = [*({"type": "image", "image": one} for one in blank), {"type": "text", "text": brief.prompt}]
        asked = self.pipe.processor.apply_chat_template(
            [[{"role": "user", "content": content}]],
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"target_h": height, "target_w": width},
        ).to(self.pipe._execution_device)
        if blank:
            codes = torch.cat([one.flatten() for one in self._references(brief, "codes")])
            places = asked["input_ids"] == self.pipe.vision_language_encoder.config.image_token_id
            asked["input_ids"] = asked["input_ids"].masked_scatter(places, codes.to(asked["input_ids"].dtype))
        return asked

    def _noise(self, told: Told, generators: list[torch.Generator]) -> Tensor:
        width, height = told.size
        latents: Tensor = self.pipe.prepare_latents(
            len(generators),
            self.pipe.transformer.config.in_channels,
            height,
            width,
            told.glyphs.dtype,
            told.glyphs.device,
            generators,
        )
        return latents

    def _schedule(self, latents: Tensor) -> None:
        scheduler, patch = self.pipe.scheduler, self.pipe.transformer.config.patch_size
        trained = scheduler.config.num_train_timesteps
        timesteps = np.linspace(trained, 1.0, self.steps + 1)[:-1].astype(np.int64).astype(np.float32)
        scheduler.set_timesteps(
            timesteps=timesteps,
            sigmas=timesteps / trained,
            mu=calculate_shift(
                latents.shape[-2] * latents.shape[-1] // patch**2,
                scheduler.config.get("base_image_seq_len", 256),
                scheduler.config.get("base_shift", 0.25),
                scheduler.config.get("max_shift", 0.75),
            ),
            device=latents.device,
        )

    def _velocity(self, latents: Tensor, timestep: Tensor, told: Told) -> Tensor:
        width, height = told.size

        def asked(glyphs: Tensor, mode: str, *, without: bool) -> Tensor:
            if told.references:
                told.seen.set_mode(mode)
            velocity: Tensor = self.pipe.transformer(
                hidden_states=latents.to(self.pipe.transformer.dtype),
                encoder_hidden_states=glyphs,
                prior_token_id=told.prior,
                prior_token_drop=torch.full_like(told.prior, without, dtype=torch.bool),
                timestep=timestep.expand(len(latents)) - 1,
                target_size=torch.tensor([[height, width]], dtype=glyphs.dtype, device=glyphs.device).repeat(
                    len(latents), 1
                ),
                crop_coords=torch.zeros(len(latents), 2, dtype=glyphs.dtype, device=glyphs.device),
                return_dict=False,
                kv_caches=told.seen,
            )[0]
            return velocity.float()

        wanted = asked(told.glyphs, "read", without=False)
        unguided = asked(told.no_glyphs, "skip", without=True)
        return unguided + GUIDANCE * (wanted - unguided)

    def _spread(self, latents: Tensor, told: Told) -> Tensor:
        return latents

    def _raw(self, spread: Tensor) -> Tensor:
        spread = spread.to(self.pipe.vae.dtype)
        mean, deviation = self._scale(spread)
        return spread * deviation + mean

    def _decode(self, raw: Tensor) -> Tensor:
        pixels: Tensor = self.pipe.vae.decode(raw, return_dict=False)[0]
        return pixels

    def _keep(self, told: Told, spread: Tensor) -> list[Arrays]:
        kept = super()._keep(told, spread)
        codes = told.codes.int().cpu().numpy()
        return [{**arrays, "codes": own} for arrays, own in zip(kept, codes, strict=True)]


def _doubled(codes: Tensor) -> Tensor:
    """Codes (n, h, w) as (n, 4 h w): each stands for four tokens of the DiT."""
    return codes.long().repeat_interleave(2, dim=1).repeat_interleave(2, dim=2).flatten(1)
