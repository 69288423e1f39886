using System.Globalization;

namespace Tessera.Models.Tests.Configuration;

/// <summary>Nemotron-NAS configurations as text, in the spelling of the published files, without the writer under test.</summary>
internal static class DeciLmJson
{
    public const string NoAttention = "\"no_op\": true, \"replace_with_linear\": false, \"n_heads_in_group\": null";
    public const string NoFeedForward = "\"no_op\": true, \"replace_with_linear\": false, \"ffn_mult\": null, \"sparsify\": null";

    private const string Unused =
        "\"window_length\": null, \"num_sink_tokens\": null, "
        + "\"use_prefill_window_in_sink_attention\": false, \"unshifted_sink\": false, \"sparsify\": null";

    public static string Attention(int group) =>
        $"\"no_op\": false, \"replace_with_linear\": false, \"n_heads_in_group\": {group}, {Unused}";

    public static string FeedForward(double multiplier) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"\"no_op\": false, \"replace_with_linear\": false, \"ffn_mult\": {multiplier}, \"sparsify\": null");

    public static string Block(string attention, string feedForward) => $"{{\"attention\": {{{attention}}}, \"ffn\": {{{feedForward}}}}}";

    public static string Model(int hidden, int heads, double ropeFactor, IReadOnlyCollection<string> blocks, int vocabulary = 128_256) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $$"""
            {"architectures": ["DeciLMForCausalLM"], "model_type": "nemotron-nas", "attention_bias": false, "mlp_bias": false,
             "block_configs": [{{string.Join(",\n", blocks)}}],
             "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "hidden_act": "silu", "hidden_size": {{hidden}},
             "intermediate_size": null, "max_position_embeddings": 131072, "num_attention_heads": {{heads}},
             "num_hidden_layers": {{blocks.Count}}, "num_key_value_heads": null, "rms_norm_eps": 1e-05,
             "rope_scaling": {"factor": {{ropeFactor}}, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                              "original_max_position_embeddings": 8192, "rope_type": "llama3"},
             "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": {{vocabulary}}}
            """);
}
