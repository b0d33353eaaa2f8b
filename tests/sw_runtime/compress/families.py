"""Small models of many families, 64 wide, of random weights."""

from dataclasses import dataclass
from typing import Any

import torch
import transformers

VOCABULARY = 96
VISION: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}
LLAMA: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "n_embd": 64,
    "n_layer": 1,
    "n_head": 4,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
EXPERTS: dict[str, Any] = {
    "moe_intermediate_size": 16,
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
}
ENCODER: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
SEQUENCE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 64,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
MAMBA: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 1, "state_size": 8}


@dataclass(frozen=True)
class Family:
    """A model's class, its configuration's class and settings."""

    model: str
    config: str
    settings: dict[str, Any]

    def build(self) -> Any:
        """The model, always the same."""
        torch.manual_seed(0)
        config = getattr(transformers, self.config)(**self.settings)
        model = getattr(transformers, self.model)(config).eval()
        for parameter in model.parameters():
            if parameter.dim() == 2 and not parameter.any():  # some gates begin at zero, which would prove nothing
                torch.nn.init.normal_(parameter, std=0.02)
        return model


def _causal(name: str, settings: dict[str, Any], **more: Any) -> Family:
    return Family(f"{name}ForCausalLM", f"{name}Config", settings | more)


FAMILIES: dict[str, Family] = {
    "llama": _causal("Llama", LLAMA),
    "mistral": _causal("Mistral", LLAMA),
    "qwen2": _causal("Qwen2", LLAMA, tie_word_embeddings=True),
    "qwen3": _causal("Qwen3", LLAMA, head_dim=16),
    "gemma": _causal("Gemma", LLAMA, head_dim=16),
    "gemma2": _causal("Gemma2", LLAMA, head_dim=16),
    "gemma3": Family("Gemma3ForCausalLM", "Gemma3TextConfig", LLAMA | {"head_dim": 16}),
    "phi": _causal("Phi", LLAMA),
    "phi3": _causal("Phi3", LLAMA),
    "stablelm": _causal("StableLm", LLAMA),
    "olmo2": _causal("Olmo2", LLAMA),
    "cohere": _causal("Cohere", LLAMA),
    "granite": _causal("Granite", LLAMA),
    "starcoder2": _causal("Starcoder2", LLAMA),
    "smollm3": _causal("SmolLM3", LLAMA),
    "glm": _causal("Glm", LLAMA, head_dim=16),
    "gpt2": Family("GPT2LMHeadModel", "GPT2Config", GPT),
    "openai-gpt": Family("OpenAIGPTLMHeadModel", "OpenAIGPTConfig", GPT),
    "gptj": _causal("GPTJ", GPT, rotary_dim=8),
    "codegen": _causal("CodeGen", GPT, rotary_dim=8),
    "gpt-bigcode": _causal("GPTBigCode", GPT),
    "gpt-neo": _causal(
        "GPTNeo",
        {},
        vocab_size=VOCABULARY,
        hidden_size=64,
        num_layers=1,
        num_heads=4,
        max_position_embeddings=64,
        attention_types=[[["global"], 1]],
    ),
    "gpt-neox": _causal("GPTNeoX", ENCODER),
    "opt": _causal("OPT", ENCODER, ffn_dim=128, word_embed_proj_dim=64),
    "bloom": _causal("Bloom", {}, vocab_size=VOCABULARY, hidden_size=64, n_layer=1, n_head=4),
    "bloom, sliced": _causal(
        "Bloom", {}, vocab_size=VOCABULARY, hidden_size=64, n_layer=1, n_head=2, pretraining_tp=2, slow_but_exact=True
    ),
    "falcon": _causal("Falcon", {}, vocab_size=VOCABULARY, hidden_size=64, num_hidden_layers=1, num_attention_heads=4),
    "mamba": _causal("Mamba", MAMBA),
    "mamba2": _causal("Mamba2", MAMBA, num_heads=8, head_dim=16, n_groups=1, chunk_size=16),
    "falcon-mamba": _causal("FalconMamba", MAMBA, tie_word_embeddings=False),
    "xlstm": Family(
        "xLSTMForCausalLM",
        "xLSTMConfig",
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 64,
            "num_hidden_layers": 1,
            "num_heads": 4,
            "qk_dim_factor": 1.0,
            "chunk_size": 8,
        },
    ),
    "mixtral": _causal("Mixtral", LLAMA, **EXPERTS | {"intermediate_size": 16}),
    "qwen3-moe": _causal("Qwen3Moe", LLAMA, head_dim=16, **EXPERTS),
    "gpt-oss": _causal("GptOss", LLAMA, head_dim=16, **EXPERTS | {"intermediate_size": 16}),
    "deepseek-v3": _causal(
        "DeepseekV3",
        LLAMA,
        num_key_value_heads=4,
        n_routed_experts=4,
        num_experts_per_tok=2,
        first_k_dense_replace=0,
        moe_intermediate_size=16,
        n_group=1,
        topk_group=1,
        q_lora_rank=32,
        kv_lora_rank=32,
        qk_rope_head_dim=16,
        qk_nope_head_dim=16,
        v_head_dim=16,
    ),
    "deepseek-v3.2": _causal(
        "DeepseekV32",
        LLAMA,
        num_key_value_heads=4,
        n_routed_experts=4,
        num_experts_per_tok=2,
        first_k_dense_replace=1,
        moe_intermediate_size=16,
        n_group=1,
        topk_group=1,
        q_lora_rank=32,
        kv_lora_rank=32,
        qk_rope_head_dim=16,
        qk_nope_head_dim=16,
        v_head_dim=16,
        index_n_heads=2,
        index_head_dim=32,
        index_topk=4,
    ),
    "jamba": _causal(
        "Jamba",
        LLAMA,
        num_hidden_layers=2,
        num_experts=2,
        num_experts_per_tok=1,
        attn_layer_period=2,
        attn_layer_offset=1,
        expert_layer_period=2,
        expert_layer_offset=1,
        intermediate_size=32,
        use_mamba_kernels=False,
        mamba_d_state=8,
        mamba_dt_rank=8,
    ),
    "bert": Family("BertForMaskedLM", "BertConfig", ENCODER),
    "roberta": Family("RobertaForSequenceClassification", "RobertaConfig", ENCODER),
    "distilbert": Family(
        "DistilBertForMaskedLM",
        "DistilBertConfig",
        {"vocab_size": VOCABULARY, "dim": 64, "n_layers": 1, "n_heads": 4, "hidden_dim": 128},
    ),
    "electra": Family("ElectraForPreTraining", "ElectraConfig", ENCODER | {"embedding_size": 64}),
    "modernbert": Family(
        "ModernBertForMaskedLM",
        "ModernBertConfig",
        ENCODER | {"pad_token_id": 0, "eos_token_id": 2, "bos_token_id": 1, "cls_token_id": 1, "sep_token_id": 2},
    ),
    "t5": Family(
        "T5ForConditionalGeneration",
        "T5Config",
        {
            "vocab_size": VOCABULARY,
            "d_model": 64,
            "d_kv": 16,
            "d_ff": 128,
            "num_layers": 1,
            "num_heads": 4,
            "decoder_start_token_id": 0,
        },
    ),
    "bart": Family("BartForConditionalGeneration", "BartConfig", SEQUENCE | {"max_position_embeddings": 64}),
    "marian": Family("MarianMTModel", "MarianConfig", SEQUENCE | {"max_position_embeddings": 64}),
    "whisper": Family(
        "WhisperForConditionalGeneration",
        "WhisperConfig",
        SEQUENCE | {"num_mel_bins": 8, "max_source_positions": 16, "max_target_positions": 32},
    ),
    "vit": Family("ViTForImageClassification", "ViTConfig", VISION),
    "dinov2": Family("Dinov2Model", "Dinov2Config", VISION),
    "clip": Family(
        "CLIPModel",
        "CLIPConfig",
        {
            "text_config": ENCODER | {"projection_dim": 64, "eos_token_id": 2},
            "vision_config": VISION,
            "projection_dim": 64,
        },
    ),
    "siglip": Family("SiglipModel", "SiglipConfig", {"text_config": ENCODER, "vision_config": VISION}),
    "llava": Family(
        "LlavaForConditionalGeneration",
        "LlavaConfig",
        {
            "text_config": LLAMA | {"model_type": "llama"},
            "vision_config": VISION | {"model_type": "clip_vision_model"},
            "image_token_index": 90,
        },
    ),
    "qwen2-vl": Family(
        "Qwen2VLForConditionalGeneration",
        "Qwen2VLConfig",
        {
            "text_config": LLAMA
            | {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}},
            "vision_config": {"depth": 1, "embed_dim": 32, "num_heads": 2, "hidden_size": 64, "mlp_ratio": 2},
        },
    ),
    "wav2vec2": Family(
        "Wav2Vec2ForCTC",
        "Wav2Vec2Config",
        ENCODER
        | {
            "conv_dim": [32, 32],
            "conv_stride": [5, 4],
            "conv_kernel": [10, 4],
            "num_conv_pos_embeddings": 8,
            "num_conv_pos_embedding_groups": 4,
        },
    ),
}
