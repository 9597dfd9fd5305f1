"""The training stages of the preview engine, in order: autoencoder, reconstruction, reader, personalization."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn

from worker.engines.preview.autoencoder import CHANNELS, Autoencoder, to_tensor
from worker.engines.preview.dit import LATENT_SIDE, DiT
from worker.engines.preview.mllm import MLLM, SPECIALS, MLLMConfig, load_text_tokenizer
from worker.engines.preview.references import ALONE
from worker.engines.preview.tokenizer import TOKENS, WIDTH, VisualTokenizer
from worker.identity.drawn import OF_PEOPLE
from worker.training.cache import PictureCache
from worker.training.dialogues import Seen, Teller, place_in
from worker.training.packing import Batch, collate, pack
from worker.training.stories import TURNS, story
from worker.training.trainer import Trainer, channels_last
from worker.training.views import LABELS, NOBODY, labels_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

CROP = 128


def autoencoder(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 1. Crops of pictures, encoded and decoded; lines count more than areas, since the art lives by its lines."""
    modules = nn.ModuleDict({"autoencoder": channels_last(Autoencoder())})
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        crops = to_tensor(_crops(cache, rng, 24)).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            drawn = modules["autoencoder"](crops)
        drawn = drawn.float()
        pixels = (drawn - crops).abs()
        lines = (_slopes(drawn) - _slopes(crops)).abs()
        return pixels.mean() + (pixels**2).mean() + 0.5 * lines.mean(), {"l1": float(pixels.mean().detach())}

    return Trainer(folder, "autoencoder", modules, loss, minutes, rate=1.5e-3).run()


def _crops(cache: PictureCache, rng: np.random.Generator, count: int) -> Tensor:
    ready = cache.ready()
    pictures = cache.pictures(rng.choice(ready, count), rng.integers(0, TURNS, count))
    size = pictures.shape[1]
    crops = []
    for picture in pictures:
        y, x = rng.integers(0, size - CROP + 1, 2)
        crops.append(picture[y : y + CROP, x : x + CROP])
    return torch.from_numpy(np.stack(crops))


def _slopes(pictures: Tensor) -> Tensor:
    """Differences of neighbouring pixels, across and down, (b, 6, h - 1, w - 1)."""
    here = pictures[..., :-1, :-1]
    return torch.cat([pictures[..., :-1, 1:] - here, pictures[..., 1:, :-1] - here], dim=1)


class Tokens:
    """Latents, visual tokens and regressed tokens of the cached pictures, made once by the stages before."""

    def __init__(self, folder: Path, cache: PictureCache) -> None:
        self._folder = folder
        self.cache = cache

    def array(self, name: str, *shape: int) -> np.memmap[tuple[int, ...], np.dtype[np.float16]]:
        """A file of half-precision numbers, (stories, TURNS, …)."""
        file = self._folder / f"{name}-{self.cache.split}-{self.cache.stories}.f16"
        whole = (self.cache.stories, TURNS, *shape)
        return np.memmap(file, np.float16, "r+" if file.exists() else "w+", shape=whole)

    @property
    def latents(self) -> np.memmap[tuple[int, ...], np.dtype[np.float16]]:
        """(stories, TURNS, 16, 16, 16)."""
        return self.array("latents", CHANNELS, LATENT_SIDE, LATENT_SIDE)

    @property
    def visual(self) -> np.memmap[tuple[int, ...], np.dtype[np.float16]]:
        """(stories, TURNS, K, WIDTH), by the visual tokenizer."""
        return self.array("visual", TOKENS, WIDTH)

    @property
    def regressed(self) -> np.memmap[tuple[int, ...], np.dtype[np.float16]]:
        """(stories, TURNS, K, WIDTH), by the MLLM."""
        return self.array("regressed", TOKENS, WIDTH)


def untrained() -> dict[str, nn.ModuleDict]:
    """What each stage trains, in order; the DiT that is kept is that of the last."""
    return {
        "autoencoder": nn.ModuleDict({"autoencoder": Autoencoder()}),
        "reconstruction": nn.ModuleDict({"tokenizer": VisualTokenizer(), "dit": DiT()}),
        "reader": nn.ModuleDict({"mllm": MLLM()}),
        "personalization": nn.ModuleDict({"dit": DiT()}),
    }


def averaged(folder: Path, stage: str, modules: nn.ModuleDict) -> nn.ModuleDict:
    """The averaged weights of a stage that ran. Raises `FileNotFoundError` when it did not."""
    saved = torch.load(folder / f"{stage}.pt", weights_only=True)
    modules.load_state_dict(saved["average"])
    return modules.requires_grad_(False).eval()


@torch.inference_mode()
def encode_latents(folder: Path, cache: PictureCache) -> None:
    """Latents of all rendered pictures, by the trained autoencoder."""
    model = Autoencoder()
    averaged(folder, "autoencoder", nn.ModuleDict({"autoencoder": model}))
    channels_last(model)
    latents = Tokens(folder, cache).latents
    ready = cache.ready()
    for start in range(0, len(ready), 8):
        stories = ready[start : start + 8]
        if latents[stories].any(axis=(1, 2, 3, 4)).all():
            continue
        pictures = np.concatenate([cache.pictures(stories, np.full(len(stories), turn)) for turn in range(TURNS)])
        with torch.autocast("cpu", torch.bfloat16):
            coded = model.encode(to_tensor(torch.from_numpy(pictures)).contiguous(memory_format=torch.channels_last))
        latents[stories] = coded.view(TURNS, len(stories), *coded.shape[1:]).transpose(0, 1).numpy().astype(np.float16)


def reconstruction(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 2. The visual tokenizer and the DiT together: paint a picture from its own tokens."""
    encode_latents(folder, cache)
    latents, ready = Tokens(folder, cache).latents, cache.ready()
    modules = nn.ModuleDict({"tokenizer": VisualTokenizer(), "dit": DiT()})
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        clean = torch.from_numpy(latents[rng.choice(ready, 16), rng.integers(0, TURNS, 16)].astype(np.float32))
        with torch.autocast("cpu", torch.bfloat16):
            tokens = modules["tokenizer"](clean)
            tokens = tokens + 0.15 * torch.randn_like(tokens)
            flow = _flow(modules["dit"], clean, tokens)
        return flow, {}

    return Trainer(folder, "reconstruction", modules, loss, minutes, rate=1e-3).run()


def _flow(dit: nn.Module, clean: Tensor, tokens: Tensor, references: tuple[Tensor, ...] = ()) -> Tensor:
    """The flow-matching loss; times near the middle come more often (logit-normal)."""
    time = torch.sigmoid(torch.randn(len(clean)))
    noise = torch.randn_like(clean)
    part = time[:, None, None, None]
    velocity: Tensor = dit((1 - part) * clean + part * noise, time, tokens, *references)
    loss: Tensor = ((velocity - (noise - clean)) ** 2).mean()
    return loss


@torch.inference_mode()
def encode_visual(folder: Path, cache: PictureCache) -> None:
    """Visual tokens of all pictures, by the trained tokenizer."""
    modules = nn.ModuleDict({"tokenizer": VisualTokenizer(), "dit": DiT()})
    tokenizer = averaged(folder, "reconstruction", modules)["tokenizer"]
    tokens = Tokens(folder, cache)
    latents, visual = tokens.latents, tokens.visual
    ready = cache.ready()
    for start in range(0, len(ready), 32):
        stories = ready[start : start + 32]
        coded = tokenizer(torch.from_numpy(latents[stories].astype(np.float32)).flatten(0, 1))
        visual[stories] = coded.view(len(stories), TURNS, *coded.shape[1:]).numpy().astype(np.float16)


def text_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of text, made from dialogues at the first call."""
    file = folder / "text.json"
    if not file.exists():
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=MLLMConfig().vocabulary,
            special_tokens=SPECIALS,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        words = (
            text
            for seed in range(3000)
            for said in Teller(story(seed), seed).tell()
            for text in (said.message, said.reply)
        )
        tokenizer.train_from_iterator(words, trainer)
        tokenizer.save(str(file))
    return load_text_tokenizer(file)


class Legible(nn.Module):
    """Reads the one or two people in a picture (expression, clothes, head, hair, …) off its visual tokens.

    A face is a small part of a picture, and of the squared error of its tokens. So what the MLLM regresses has to be read
    by this as well. It learns from the tokenizer's own tokens, and is thrown away after the stage.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sizes = [len(LABELS[name]) for name in OF_PEOPLE]
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(TOKENS * WIDTH, 512),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(512, 2 * sum(self.sizes)),
        )

    def forward(self, tokens: Tensor, shown: Tensor) -> dict[str, Tensor]:
        """Cross-entropies by attribute, of visual tokens (n, K, WIDTH) against labels (n, 2, attributes)."""
        said = torch.split(self.head(tokens).unflatten(1, (-1, 2)), self.sizes, dim=1)
        return {
            name: nn.functional.cross_entropy(logits, shown[..., number], ignore_index=NOBODY, reduction="sum")
            / (shown[..., number] != NOBODY).sum().clamp(min=1)
            for number, (name, logits) in enumerate(zip(OF_PEOPLE, said, strict=True))
        }

    @classmethod
    def learned(cls, visual: np.memmap[tuple[int, ...], np.dtype[np.float16]], ready: NDArray[np.int64]) -> Legible:
        """Trained on the visual tokens of all pictures, within a minute or two."""
        model, rng = cls(), np.random.default_rng()
        optimiser = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05)
        for _ in range(min(2000, 20 * len(ready))):
            stories, turns = rng.choice(ready, 128), rng.integers(0, TURNS, 128)
            tokens = torch.from_numpy(visual[stories, turns].astype(np.float32))
            losses = model(tokens + 0.25 * torch.randn_like(tokens), _shown(zip(stories, turns, strict=True)))
            optimiser.zero_grad()
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return model.requires_grad_(False).eval()


def _shown(pictures: Iterable[tuple[int, int]]) -> Tensor:
    """Labels of the people in pictures (story, turn), from left to right, (n, 2, attributes)."""
    nobody = [NOBODY] * len(OF_PEOPLE)
    return torch.tensor([[*labels_of(story(int(one)).shot(turn))[1], nobody][:2] for one, turn in pictures])


def reader(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 3. The MLLM: replies to write, and visual tokens to regress, over whole dialogues."""
    encode_visual(folder, cache)
    visual, ready = Tokens(folder, cache).visual, cache.ready()
    tokenizer, legible = text_tokenizer(folder), Legible.learned(visual, ready)
    mllm = MLLM()
    modules = nn.ModuleDict({"mllm": mllm})
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        stories = rng.choice(ready, 10)
        batch = collate([pack(Teller(story(int(one)), int(rng.integers(2**31))).tell(), tokenizer) for one in stories])
        with torch.autocast("cpu", torch.bfloat16):
            text, wanted, regressed = read_batch(mllm, batch, visual, stories, noise=0.25, unseen=0.35)
        regression = ((regressed - wanted) ** 2).mean()
        asked = [(one, run.turn) for one, runs in zip(stories, batch.runs, strict=True) for run in runs if run.asks]
        people = legible(regressed, _shown(asked))
        figures = {"text": text, "regression": regression, **people}
        loss = 4.0 * text + regression + 0.1 * torch.stack(list(people.values())).sum()
        return loss, {name: float(value.detach()) for name, value in figures.items()}

    return Trainer(folder, "reader", modules, loss, minutes, rate=1e-3).run()


def read_batch(
    mllm: MLLM,
    batch: Batch,
    visual: np.memmap[tuple[int, ...], np.dtype[np.float16]],
    stories: Any,
    *,
    noise: float,
    unseen: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of the replies, and the visual tokens (r, K, WIDTH): those that were wanted, those regressed.

    What stands in the history gets noise, since in serving it is regressed and not the tokenizer's own. In so many of the
    dialogues as `unseen` says, nothing sees the pictures drawn before, so that references have to be looked at.
    """
    runs = [(one, run) for one, its_runs in zip(stories, batch.runs, strict=True) for run in its_runs]
    every = torch.from_numpy(np.stack([visual[one, run.turn] for one, run in runs]).astype(np.float32))
    wanted = every[[run.asks for _, run in runs]]
    every = every + noise * torch.randn_like(every)
    embedded = mllm.embed(batch.ids, every.flatten(0, 1))
    asked = mllm.queries.repeat(len(wanted), 1).to(embedded.dtype)
    embedded = embedded.masked_scatter(batch.queries[..., None], asked)
    if seen := [run.refers for _, run in runs if run.refers is not None]:
        shown = mllm.refer(
            every[[run.refers is not None for _, run in runs]],
            torch.tensor([one.stands for one in seen]),
            torch.tensor([one.stood for one in seen]),
        )
        embedded = embedded.masked_scatter(batch.references[..., None], shown.to(embedded.dtype))
    blind = (torch.rand(len(batch.ids), 1) < unseen) & batch.drawn
    hidden = mllm(embedded, batch.positions, batch.mask & ~blind[:, None, None])
    taught = batch.targets != -100
    text = nn.functional.cross_entropy(mllm.text_logits(hidden[taught]).float(), batch.targets[taught])
    regressed = mllm.regress(hidden[batch.queries]).float().unflatten(0, (-1, TOKENS))
    return text, wanted, regressed


@torch.inference_mode()
def encode_regressed(folder: Path, cache: PictureCache) -> None:
    """What the trained MLLM regresses for every picture, in one telling of each story."""
    mllm = MLLM()
    averaged(folder, "reader", nn.ModuleDict({"mllm": mllm}))
    tokens, tokenizer = Tokens(folder, cache), text_tokenizer(folder)
    visual, regressed = tokens.visual, tokens.regressed
    ready = cache.ready()
    for start in range(0, len(ready), 16):
        stories = ready[start : start + 16]
        batch = collate([pack(Teller(story(int(one)), 1).tell(), tokenizer) for one in stories])
        with torch.autocast("cpu", torch.bfloat16):
            _, _, found = read_batch(mllm, batch, visual, stories, noise=0.1)
        turns = [run.turn for runs in batch.runs for run in runs if run.asks]
        rows = [one for one, runs in zip(stories, batch.runs, strict=True) for run in runs if run.asks]
        regressed[np.array(rows), np.array(turns)] = found.numpy().astype(np.float16)


def personalization(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 4. The DiT learns to paint what the MLLM says, and to look at the references of the people in the picture."""
    encode_regressed(folder, cache)
    tokens = Tokens(folder, cache)
    latents, visual, regressed, ready = tokens.latents, tokens.visual, tokens.regressed, cache.ready()
    before = nn.ModuleDict({"tokenizer": VisualTokenizer(), "dit": DiT()})
    modules = nn.ModuleDict({"dit": averaged(folder, "reconstruction", before)["dit"].requires_grad_(True)})
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        people = int(rng.choice(3, p=(0.2, 0.55, 0.25)))
        some = [_example(rng, ready, people) for _ in range(40)]
        stories, turns = (np.array([getattr(one, what) for one in some]) for what in ("story", "turn"))
        own = np.where(rng.random((40, 1, 1)) < 0.8, regressed[stories, turns], visual[stories, turns])
        clean = torch.from_numpy(latents[stories, turns].astype(np.float32))
        said = torch.from_numpy(own.astype(np.float32))
        references: tuple[Tensor, ...] = ()
        if people:
            seen = [
                [
                    (regressed if own else visual)[one.story, here.turn]
                    for here, own in zip(one.seen, one.regressed, strict=True)
                ]
                for one in some
            ]
            references = (
                torch.from_numpy(np.array(seen).astype(np.float32)),
                torch.tensor([[here.stands for here in one.seen] for one in some]),
                torch.tensor([[here.stood for here in one.seen] for one in some]),
            )
        with torch.autocast("cpu", torch.bfloat16):
            flow = _flow(modules["dit"], clean, said, references)
        return flow, {}

    return Trainer(folder, "personalization", modules, loss, minutes, rate=4e-4).run()


@dataclass(frozen=True, slots=True)
class Example:
    """A picture to paint, and the references for it."""

    story: int
    turn: int
    seen: tuple[Seen, ...]
    regressed: tuple[bool, ...]  # whether each reference is the MLLM's own tokens


def _example(rng: np.random.Generator, ready: NDArray[np.int64], people: int) -> Example:
    """A picture of which `people` have been shown before, with their first pictures, as in serving."""
    while True:
        number, turn = int(rng.choice(ready)), int(rng.integers(0, TURNS))
        told = story(number)
        cast = told.turns[turn].scene.cast
        seen, own = [], []
        for who in cast:
            first = next(earlier for earlier, other in enumerate(told.turns) if who in other.scene.cast)
            uploaded = [later for later, other in enumerate(told.turns) if other.scene.cast == (who,) and later != turn]
            if first < turn:
                seen.append(Seen(first, place_in(cast, who), place_in(told.turns[first].scene.cast, who)))
                own.append(bool(rng.random() < 0.7))
            elif uploaded and rng.random() < 0.3:
                seen.append(Seen(int(rng.choice(uploaded)), place_in(cast, who), ALONE))
                own.append(False)
        if len(seen) == people:
            return Example(number, turn, tuple(seen), tuple(own))
