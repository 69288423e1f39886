namespace Tessera.Puzzle.Tables;

/// <summary>What a form that other software loads can hold of a child (docs/formats.md).</summary>
/// <remarks>
/// <list type="bullet">
/// <item>llama: layers padded to equal shapes; no linear maps, windows or norms of heads.</item>
/// <item>gguf: layers of different shapes as <c>deci</c>, which has no linear feed-forward, no windows, no norms of heads, and heads
/// only of hidden / heads elements.</item>
/// <item>vllm: <c>DeciLMForCausalLM</c>; no linear maps, windows, norms of heads or biases of some projections, widths in multiples of
/// 256 since they are written as multipliers, and attention in the first layer.</item>
/// </list>
/// </remarks>
public sealed class LoadableForm
{
    private const int VllmWidthGrain = 256;

    private readonly Func<int, HalfSize, HalfSize, bool> _holds;

    private LoadableForm(string name, Func<int, HalfSize, HalfSize, bool> holds) => (Name, _holds) = (name, holds);

    /// <summary>All forms.</summary>
    public static IReadOnlyList<LoadableForm> All { get; } =
    [
        new("llama", (_, mixer, feedForward) => IsBare(mixer) && mixer.Kind != HalfKind.Linear && feedForward.Kind != HalfKind.Linear),
        new("gguf", (_, mixer, feedForward) => IsBare(mixer) && feedForward.Kind != HalfKind.Linear),
        new("vllm", (layer, mixer, feedForward) => IsBare(mixer) && !mixer.HasPartialBiases && mixer.Kind != HalfKind.Linear
            && feedForward.Kind != HalfKind.Linear && (feedForward.Width ?? 0) % VllmWidthGrain == 0
            && (layer > 0 || mixer.Kind == HalfKind.Attention)),
    ];

    /// <summary>llama, gguf or vllm.</summary>
    public string Name { get; }

    /// <summary>The form of this name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static LoadableForm Parse(string name) => All.FirstOrDefault(form => form.Name == name)
        ?? throw new ArgumentException($"--loadable {name}: expected {string.Join(", ", All.Select(form => form.Name))}");

    /// <summary>Whether a layer can be of these halves.</summary>
    public bool Holds(int layer, HalfSize mixer, HalfSize feedForward) => _holds(layer, mixer, feedForward);

    /// <summary>Refuses models of which no child can be held, whatever is chosen.</summary>
    /// <exception cref="ArgumentException">It is one; or the tables do not tell.</exception>
    public void EnsureMixes(SearchTables tables)
    {
        if (Name == "gguf" && tables.Shape?.HeadsFillHidden != true && tables.Mixers.Values.Any(mixer => mixer.Kind == HalfKind.Attention))
        {
            throw new ArgumentException(
                tables.Shape is null
                    ? "--loadable gguf: the tables do not tell the size of heads, expected a shape with hidden_size, head_count and head_dim"
                    : "--loadable gguf: layers of different shapes need heads of hidden_size / heads elements there, and this model's are others");
        }
    }

    private static bool IsBare(HalfSize mixer) => !mixer.HasWindow && !mixer.HasHeadNorms;
}
