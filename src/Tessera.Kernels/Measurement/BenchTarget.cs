using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>How large the shapes of measured cases are.</summary>
public enum BenchScale
{
    /// <summary>As small as makes sense, for tests that every case runs.</summary>
    Small,

    /// <summary>Out of a processor's caches, and layers of models of about a hundred million parameters.</summary>
    Processor,

    /// <summary>Out of a card's caches, and layers of models of one to eight billion parameters.</summary>
    Card,
}

/// <summary>What measured cases are made for.</summary>
/// <param name="Device">Where they run.</param>
/// <param name="Scale">How large they are.</param>
public sealed record BenchTarget(Device Device, BenchScale Scale)
{
    /// <summary>A device with the shapes that are typical for it.</summary>
    public static BenchTarget Of(Device device) => new(device, device.Threads > 0 ? BenchScale.Processor : BenchScale.Card);

    /// <summary>How activations and gradients are stored.</summary>
    public DType Type => Device.ActivationType;

    /// <summary>How weights, tables and caches are stored: beside f32 activations of the processor in f32 and bf16, on a card as activations are.</summary>
    public IReadOnlyList<DType> StorageTypes => Device.Threads > 0 ? [DType.F32, DType.BF16] : [Type];

    /// <summary>Columns of a row: a model of about one billion parameters.</summary>
    public int Width => Scale == BenchScale.Small ? 256 : 2048;

    /// <summary>Rows of a main tensor.</summary>
    public int Tokens => Scale == BenchScale.Small ? 128 : 16_384;

    /// <summary>Elements of one main tensor: 128 MiB of f32, well beyond the caches.</summary>
    public int Elements => Width * Tokens;

    /// <summary>What fits the scale.</summary>
    public T Pick<T>(T small, T processor, T card) => Scale switch
    {
        BenchScale.Small => small,
        BenchScale.Processor => processor,
        _ => card,
    };
}
