using System.Globalization;
using Tessera.Models.Checkpoints;

namespace Tessera.Models.Gguf;

/// <summary>What the tensors of Hugging Face checkpoints are called in GGUF files.</summary>
/// <remarks>Source: the tensor names of llama.cpp for the architectures <c>llama</c>, <c>deci</c>, <c>qwen2</c> and <c>qwen3</c>.</remarks>
internal static class GgufNames
{
    public const string Embedding = "token_embd.weight";
    public const string Head = "output.weight";

    /// <summary>Divisors of the rotary frequencies, f32 [head_dim / 2].</summary>
    public const string RopeDivisors = "rope_freqs.weight";

    private const string LayerPrefix = "model.layers.";

    // A linear map in place of attention has the name of the output projection.
    private static readonly Dictionary<string, string> Layer = new(StringComparer.Ordinal)
    {
        ["input_layernorm"] = "attn_norm",
        ["self_attn.q_proj"] = "attn_q",
        ["self_attn.k_proj"] = "attn_k",
        ["self_attn.v_proj"] = "attn_v",
        ["self_attn.o_proj"] = "attn_output",
        ["self_attn.q_norm"] = "attn_q_norm",
        ["self_attn.k_norm"] = "attn_k_norm",
        ["self_attn.linear_attn"] = "attn_output",
        ["post_attention_layernorm"] = "ffn_norm",
        ["mlp.gate_proj"] = "ffn_gate",
        ["mlp.up_proj"] = "ffn_up",
        ["mlp.down_proj"] = "ffn_down",
    };

    /// <summary>The name of a tensor, or null where the form has none for it.</summary>
    public static string? Of(string checkpointName)
    {
        switch (checkpointName)
        {
            case WeightMap.Embedding:
                return Embedding;
            case WeightMap.Head:
                return Head;
            case "model.norm.weight":
                return "output_norm.weight";
        }

        int rest = checkpointName.IndexOf('.', LayerPrefix.Length), suffix = checkpointName.LastIndexOf('.');
        return checkpointName.StartsWith(LayerPrefix, StringComparison.Ordinal) && rest > 0 && suffix > rest
            && Layer.TryGetValue(checkpointName[(rest + 1)..suffix], out string? name)
            ? $"blk.{checkpointName[LayerPrefix.Length..rest]}.{name}{checkpointName[suffix..]}"
            : null;
    }

    /// <summary>The name of a layer's tensor.</summary>
    public static string InLayer(int layer, string part, string suffix = "weight") =>
        string.Create(CultureInfo.InvariantCulture, $"blk.{layer}.{part}.{suffix}");

    /// <summary>
    /// Whether rows are heads whose elements an architecture keeps as pairs of neighbours: query and key projections of llama and
    /// deci, their biases too. The others turn halves, as checkpoints do.
    /// </summary>
    public static bool IsReordered(string architecture, string checkpointName) =>
        architecture is GgufConfiguration.Llama or GgufConfiguration.Deci && IsRotated(checkpointName);

    private static bool IsRotated(string checkpointName) =>
        checkpointName.Contains(".self_attn.q_proj.", StringComparison.Ordinal) || checkpointName.Contains(".self_attn.k_proj.", StringComparison.Ordinal);
}
