"""Shapes and exact counts of AFM's on-device model and of AFMTextV7."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AFMParameters:
    """The on-device model of 2407.21075 (second-hand, except where said).

    Parameters
    ----------
    dim, head_dim, layers
        Width of the residual stream, width of a head, layers.
    query_heads, kv_heads
        Heads.
    ffn
        **Published nowhere**; 8,032 makes the 2.58 B parameters outside the embedding that accounts give.
    vocabulary
        "49 K"; the exact number is an assumption.
    adapter_rank
        Of the usual adapters.
    """

    dim: int = 3072
    head_dim: int = 128
    layers: int = 26
    query_heads: int = 24
    kv_heads: int = 8
    ffn: int = 8032
    vocabulary: int = 49_152
    adapter_rank: int = 16

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Rows and columns of a layer's matrices by name."""
        queries, keys = self.query_heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "query": (queries, self.dim),
            "key": (keys, self.dim),
            "value": (keys, self.dim),
            "output": (self.dim, queries),
            "gate": (self.ffn, self.dim),
            "up": (self.ffn, self.dim),
            "down": (self.dim, self.ffn),
        }

    @property
    def linear_weights(self) -> int:
        """Weights in all layers' matrices."""
        return self.layers * sum(rows * columns for rows, columns in self.linears.values())

    @property
    def adapter_weights(self) -> int:
        """Weights of an adapter on every matrix: r rows of its inputs and r columns of its outputs."""
        return self.layers * sum(self.adapter_rank * (rows + columns) for rows, columns in self.linears.values())

    def cache_bytes_a_token(self, value_bytes: int = 2) -> int:
        """Keys and values kept for a token."""
        return self.layers * 2 * self.kv_heads * self.head_dim * value_bytes


@dataclass(frozen=True)
class AFMTextV7Parameters:
    """AFMTextV7 (the generation of 2507.13575), as ml-explore/mlx-lm's ``afm7.py`` has it.

    Parameters
    ----------
    dim, head_dim, ffn, vocabulary
        Widths.
    layers, reuse_layers
        Layers with keys and values of their own, and those after them that reuse the last one's.
    query_heads, kv_heads
        Heads.
    adapter_rank, adapter_alpha
        LoRA on every matrix.
    eps
        Of every RMSNorm.
    rotary_base
        The code's default is 50,000; its description says 500,000. Read the configuration.
    """

    dim: int = 2048
    head_dim: int = 128
    layers: int = 35
    reuse_layers: int = 21
    query_heads: int = 16
    kv_heads: int = 2
    ffn: int = 6656
    vocabulary: int = 153_600
    adapter_rank: int = 32
    adapter_alpha: int = 16
    eps: float = 1e-5
    rotary_base: float = 50_000.0

    @property
    def full_linears(self) -> dict[str, tuple[int, int]]:
        """Matrices of a layer with keys and values."""
        keys = self.kv_heads * self.head_dim
        return self.reuse_linears | {"key": (keys, self.dim), "value": (keys, self.dim)}

    @property
    def reuse_linears(self) -> dict[str, tuple[int, int]]:
        """Matrices of a layer that reuses them."""
        queries = self.query_heads * self.head_dim
        return {
            "query": (queries, self.dim),
            "output": (self.dim, queries),
            "gate": (self.ffn, self.dim),
            "up": (self.ffn, self.dim),
            "down": (self.dim, self.ffn),
        }

    @property
    def frozen_parameters(self) -> int:
        """Embedding (the head too), matrices, two norms of the stream a layer, those of heads, the last norm."""
        full = sum(rows * columns for rows, columns in self.full_linears.values())
        reuse = sum(rows * columns for rows, columns in self.reuse_linears.values())
        return (
            self.vocabulary * self.dim
            + self.layers * (full + 2 * self.dim + 2 * self.head_dim)
            + self.reuse_layers * (reuse + 2 * self.dim + self.head_dim)
            + self.dim
        )

    @property
    def adapter_weights(self) -> int:
        """Weights of LoRA on every matrix."""
        kinds = ((self.layers, self.full_linears), (self.reuse_layers, self.reuse_linears))
        return sum(
            layers * self.adapter_rank * (rows + columns)
            for layers, linears in kinds
            for rows, columns in linears.values()
        )

    def cache_bytes_a_token(self, value_bytes: int = 1) -> int:
        """Keys and values kept for a token, as 8-bit integers."""
        return self.layers * 2 * self.kv_heads * self.head_dim * value_bytes
