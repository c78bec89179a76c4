"""The decoder that sees or hears: a picture or a sound is a prefix of embeddings that it reads.

::

    picture [C, Y, X]  -> convolutions, one place for each stride x stride pixels  -> [P, D]
    sound   [M, F]     -> convolutions, one place for each stride frames           -> [P, D]
            or an encoder's states [M, F] -> convolutions over time                -> [P, D]

    row:  place 1 ... place P  <begin>  7  <end>        what is learned: 7 <end>
          `-- all see each other --'    each sees what is before it

So a label, a caption and a transcript are text that the same Transformer writes after its prefix,
with the same weights, loss and training loop as any text. Where a label has to come out, each of
the known labels is scored as that text (:meth:`MultimodalGPT.text_scores`). Places within a
prefix see each other in both directions, since nothing of it is predicted.

Sources: a prefix that is seen whole: Raffel et al. 2020 (T5), section 3.2.1; pictures as a prefix
of a decoder: Tsimpoukelli et al. 2021, "Frozen"; convolutions in place of one patch projection:
Xiao et al. 2021, "Early Convolutions Help Transformers See Better"; convolutions over time and
frequency for sound: Gulati et al. 2020 (Conformer); states of Whisper's encoder, brought to a
decoder by a few learned layers: Chu et al. 2023, "Qwen-Audio". Not here: files and features
(``data``), what text is written (``llm.media``).

Letters in shapes: B batch, T tokens of a row, P places of the longest prefix, D hidden, L labels;
C, Y, X, M, F as in ``data.preprocessing``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from autogpt.data.preprocessing import PictureConfig, SoundConfig
from autogpt.models.config import GPTConfig
from autogpt.models.empty import without_weights
from autogpt.models.gpt import GPT
from autogpt.nn.attention import AttentionForm, causal_mask
from autogpt.nn.cache import Cache

__all__ = ["MultimodalGPT", "Prefix", "filled", "places_of", "put_stem"]


class Prefix(NamedTuple):
    """What a model reads before text.

    Attributes:
        embeddings: One for each place; what follows a shorter prefix is to be ignored.
        lengths: Places of each row.
    """

    embeddings: Float[Tensor, "B P D"]
    lengths: Int[Tensor, " B"]


def places_of(size: int, config: PictureConfig | SoundConfig) -> int:
    """Return the places of a prefix: of a sound with ``size`` frames, or of any picture."""
    if isinstance(config, PictureConfig):
        return config.rows * config.columns
    for _ in range(config.halvings):
        size = (size + 1) // 2
    return size


class PictureStem(nn.Module):
    """Convolutions from pixels to places, and where in the picture each is.

    Args:
        picture: How pictures are read.
        hidden_size: D.
    """

    def __init__(self, picture: PictureConfig, hidden_size: int) -> None:
        super().__init__()
        halvings = picture.stride.bit_length() - 1
        widths = [max(16, hidden_size >> max(0, halvings - step)) for step in range(halvings)]
        sizes = [picture.channels, *(widths or [hidden_size // 2]), hidden_size]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inner, outer, 3, stride=2 if 0 < step <= halvings else 1, padding=1)
            for step, (inner, outer) in enumerate(pairwise(sizes))
        )
        self.output = nn.Conv2d(hidden_size, hidden_size, 1)
        self.row = nn.Parameter(torch.zeros(picture.rows, hidden_size))
        self.column = nn.Parameter(torch.zeros(picture.columns, hidden_size))

    def forward(self, values: Float[Tensor, "B C Y X"], lengths: Int[Tensor, " B"]) -> Prefix:
        """Return the prefix of each picture, row by row from the top left."""
        del lengths
        for convolution in self.convolutions:
            values = F.gelu(convolution(values))
        places = self.output(values).permute(0, 2, 3, 1)  # [B, rows, columns, D]
        places = places + self.row[:, None] + self.column
        embeddings = places.flatten(1, 2)
        count = embeddings.shape[1]
        return Prefix(embeddings, torch.full((len(embeddings),), count, device=values.device))


class SoundStem(nn.Module):
    """Convolutions over time and frequency, so that a voice a little higher is heard alike.

    As Gulati et al. 2020 (Conformer) subsample; the order is known by the decoder's own positions.

    Args:
        sound: How sounds are read.
        hidden_size: D.
    """

    def __init__(self, sound: SoundConfig, hidden_size: int) -> None:
        super().__init__()
        channels, bins = max(32, hidden_size // 4), sound.bins
        self.convolutions = nn.ModuleList()
        for step in range(max(2, sound.halvings)):
            stride = (2, 2 if step < sound.halvings else 1)  # of frequency, of time
            inner = channels if step else 1
            self.convolutions.append(nn.Conv2d(inner, channels, 3, stride=stride, padding=1))
            bins = (bins + 1) // 2
        self.output = nn.Linear(channels * bins, hidden_size)

    def forward(self, values: Float[Tensor, "B M F"], lengths: Int[Tensor, " B"]) -> Prefix:
        """Return the prefix of each sound; padding is 0 for every convolution, as beyond an end."""
        values = (values * _within(values, lengths))[:, None]  # [B, 1, M, F]
        for convolution in self.convolutions:
            values = F.gelu(convolution(values))
            if cast("nn.Conv2d", convolution).stride[1] == 2:
                lengths = (lengths + 1) // 2
            values = values * _within(values, lengths)[:, None]
        embeddings = self.output(values.flatten(1, 2).transpose(1, 2))  # [B, P, D]
        return Prefix(embeddings, lengths)


class EncoderStem(nn.Module):
    """Convolutions over time from an encoder's states to places.

    Args:
        sound: How sounds are read.
        hidden_size: D.
    """

    def __init__(self, sound: SoundConfig, hidden_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(sound.bins)
        self.convolutions = nn.ModuleList()
        for step in range(max(2, sound.halvings)):
            inner, stride = hidden_size if step else sound.bins, 2 if step < sound.halvings else 1
            self.convolutions.append(nn.Conv1d(inner, hidden_size, 3, stride=stride, padding=1))
        self.output = nn.Linear(hidden_size, hidden_size)

    def forward(self, values: Float[Tensor, "B M F"], lengths: Int[Tensor, " B"]) -> Prefix:
        """Return the prefix of each sound; padding is 0 for every convolution."""
        values = self.norm(values.transpose(1, 2)).transpose(1, 2)
        values = values * _within(values, lengths)
        for convolution in self.convolutions:
            values = F.gelu(convolution(values))
            if cast("nn.Conv1d", convolution).stride[0] == 2:
                lengths = (lengths + 1) // 2
            values = values * _within(values, lengths)
        return Prefix(self.output(values.transpose(1, 2)), lengths)  # [B, P, D]


def _within(values: Float[Tensor, "B D F"], lengths: Int[Tensor, " B"]) -> Bool[Tensor, "B 1 F"]:
    places = torch.arange(values.shape[-1], device=values.device)
    return (places < lengths[:, None])[:, None]


class MultimodalGPT(GPT):
    """The decoder with a stem for pictures or sounds; what it is trained and run as.

    Its hidden states are :class:`GPT`'s own, and so are the names of its weights.

    Args:
        config: The switches.
        medium: How pictures or sounds are read.
        attention: See :class:`GPT`.

    Attributes:
        medium: As given.
        stem: From what is seen or heard to the prefix.
    """

    def __init__(
        self,
        config: GPTConfig,
        medium: PictureConfig | SoundConfig,
        *,
        attention: AttentionForm = "sdpa",
    ) -> None:
        super().__init__(config, attention=attention)
        self.medium = medium
        self.stem = _new_stem(config, medium)

    def read_media(
        self,
        token_ids: Int[Tensor, "B T"],
        values: Tensor,
        lengths: Int[Tensor, " B"],
        *,
        cache: Cache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Return what the model makes of each place of a row.

        Args:
            token_ids: Whatever where the prefix stands, then text, then padding.
            values: Pictures [B, C, Y, X], or frames of sounds [B, M, F].
            lengths: Frames of each sound.
            cache: Empty; keeps keys and values.
        """
        prefix = self.stem(values, lengths)
        text = self.embed(token_ids)  # [B, T, D]
        count = min(prefix.embeddings.shape[1], text.shape[1])
        room = text.shape[1] - count
        places = F.pad(prefix.embeddings[:, :count].to(text.dtype), (0, 0, 0, room))
        inside = torch.arange(text.shape[1], device=text.device) < prefix.lengths[:, None]
        hidden = torch.where(inside[:, :, None], places, text)
        mask = _seen(inside)
        states: Tensor = self(token_ids, hidden=hidden, mask=mask, cache=cache)
        return states

    def text_scores(
        self,
        values: Tensor,
        lengths: Int[Tensor, " B"],
        texts: Sequence[Sequence[int]],
        *,
        begin_id: int,
    ) -> Float[Tensor, "B L"]:
        """Return the log probability of each text after each prefix, in one pass for all of them.

        The texts stand side by side behind the prefix; each sees the prefix, the token that begins
        a text, and itself, and its positions begin where the prefix ends. So it gets the numbers
        that it would get alone.

        Args:
            values: Pictures or frames of sounds.
            lengths: Frames of each sound.
            texts: Token ids, one or more each, the one that ends a text included.
            begin_id: Stands before a text.
        """
        prefix = self.stem(values, lengths)
        count = prefix.embeddings.shape[1]
        sizes = [len(ids) - 1 for ids in texts]  # nothing follows the last token
        ids = torch.tensor([begin_id, *(i for own in texts for i in own[:-1])])
        text = self.embed(ids.to(values.device))[None].expand(len(values), -1, -1)
        hidden = torch.cat([prefix.embeddings.to(text.dtype), text], dim=1)
        owner = torch.tensor([-1, *(n for n, size in enumerate(sizes) for _ in range(size))])
        place = torch.tensor([0, *(1 + at for size in sizes for at in range(size))])
        mask, positions = _side_by_side(prefix.lengths, count, owner, place)
        rows = torch.zeros(hidden.shape[:2], dtype=torch.long, device=values.device)
        found = self(rows, hidden=hidden, mask=mask, positions=positions)[:, count:]
        chances = self.logits(found).log_softmax(-1)  # [B, 1 + sum of sizes, V]
        scores, at = [], 1
        for own, size in zip(texts, sizes, strict=True):
            steps = torch.cat([chances[:, :1], chances[:, at : at + size]], dim=1)
            scores.append(steps[:, torch.arange(len(own)), torch.tensor(own)].sum(-1))
            at += size
        return torch.stack(scores, dim=1)


def put_stem(body: GPT, medium: PictureConfig | SoundConfig) -> MultimodalGPT:
    """Return a model with the weights of ``body`` and a stem that has learned nothing.

    The two share memory; ``body`` is used up.
    """
    config = body.config
    dtype, device = body.embedding.weight.dtype, body.embedding.weight.device
    weights = dict(body.state_dict())
    stem = _new_stem(config, medium)
    weights |= {
        f"stem.{name}": weight.detach().to(device, dtype)
        for name, weight in stem.state_dict().items()
    }
    return filled(config, medium, weights, attention=body.attention)


def filled(
    config: GPTConfig,
    medium: PictureConfig | SoundConfig,
    weights: Mapping[str, Tensor],
    *,
    attention: AttentionForm = "sdpa",
) -> MultimodalGPT:
    """Return a model with these weights, by our names."""
    with without_weights():
        model = MultimodalGPT(config, medium, attention=attention)
    model.load_state_dict(dict(weights), assign=True)
    return model.eval()


def _new_stem(
    config: GPTConfig, medium: PictureConfig | SoundConfig
) -> PictureStem | SoundStem | EncoderStem:
    if isinstance(medium, PictureConfig):
        return PictureStem(medium, config.hidden_size)
    if medium.encoder is not None:
        return EncoderStem(medium, config.hidden_size)
    return SoundStem(medium, config.hidden_size)


def _side_by_side(
    lengths: Int[Tensor, " B"], count: int, owner: Int[Tensor, " N"], place: Int[Tensor, " N"]
) -> tuple[Bool[Tensor, "B 1 T T"], Int[Tensor, "B T"]]:
    """Return who sees whom, and where each token stands, of texts side by side after prefixes.

    Args:
        lengths: Places of each row's prefix.
        count: Places of the longest.
        owner: Of each token behind it the number of its text; -1 begins all of them.
        place: Its place in its text.
    """
    owner, place = owner.to(lengths.device), place.to(lengths.device)
    total = count + len(owner)
    places = torch.arange(count, device=lengths.device)
    real = places < lengths[:, None]  # [B, P]
    mask = torch.zeros(len(lengths), total, total, dtype=torch.bool, device=lengths.device)
    mask[:, :, :count] = real[:, None]
    same = (owner[:, None] == owner) | (owner == -1)
    mask[:, count:, count:] = same & (place[:, None] >= place)
    mask |= torch.eye(total, dtype=torch.bool, device=lengths.device)  # padding sees itself
    behind = lengths[:, None] + place
    return mask[:, None], torch.cat([places.expand(len(lengths), -1), behind], dim=1)


def _seen(inside: Bool[Tensor, "B T"]) -> Bool[Tensor, "B 1 T T"]:
    """Return who sees whom: within the prefix all see all, behind it each what is before it."""
    length = inside.shape[1]
    causal = causal_mask(length, length, device=inside.device)
    return (causal | (inside[:, :, None] & inside[:, None, :]))[:, None]
