using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

/// <summary>
/// What an operation on a head is given, on a card: hidden states, a head with a row more than the vocabulary, targets and weights. Every
/// fourth token is left out, with a target that is none.
/// </summary>
internal sealed class HeadData : IDisposable
{
    private readonly DeviceMatrix _hidden;
    private readonly DeviceMatrix _head;
    private readonly DeviceBuffer _weights;
    private readonly Arena _ids;

    public HeadData(CudaDevice device, DType hidden, DType head, int tokens, int width, int vocabulary, int seed = 1)
    {
        (Device, Tokens, Width, Vocabulary) = (device, tokens, width, vocabulary);
        _hidden = new DeviceMatrix(device, hidden, tokens, width, seed);
        _head = new DeviceMatrix(device, head, vocabulary + 1, width, seed + 1, scale: 2f / MathF.Sqrt(width));
        Weights = [.. Enumerable.Range(0, tokens).Select(t => t % 4 == 1 ? 0f : 0.01f * (t + 1))];
        _weights = DeviceBuffer.From(device, DType.F32, Weights);
        var random = new CounterRandom((ulong)seed, 9);
        Targets = [.. Enumerable.Range(0, tokens).Select(t => t % 4 == 1 ? -100 : random.Next(vocabulary))];
        _ids = device.CreateArena("targets");
        TargetAddress = _ids.Allocate(tokens * sizeof(int));
        device.Upload<int>(Targets, TargetAddress);
    }

    public CudaDevice Device { get; }

    public int Tokens { get; }

    public int Width { get; }

    public int Vocabulary { get; }

    public int[] Targets { get; }

    public float[] Weights { get; }

    public nint TargetAddress { get; }

    public nint WeightAddress => _weights.Address;

    public Elements Hidden => _hidden.Elements;

    public MatrixView Head => _head.View;

    public double[] WideHidden => Array.ConvertAll(_hidden.Before, value => (double)value);

    public double[] WideHead => Array.ConvertAll(_head.Before[..(Vocabulary * Width)], value => (double)value);

    public double[] WideWeights => Array.ConvertAll(Weights, value => (double)value);

    /// <summary>Whether the gradient of the logits is rounded to bf16.</summary>
    public bool RoundsLogitGradients => Hidden.Type == DType.BF16 && Head.Type == DType.BF16;

    /// <summary>Bound of the relative norm of the hidden states' gradient, or of a head's in f32.</summary>
    /// <param name="stored">Its type.</param>
    public double GradientBound(DType stored) =>
        RoundsLogitGradients ? ProductTolerances.TwoRoundingsBf16 : stored == DType.BF16 ? Tolerances.OneRoundingBf16 : 5e-6;

    /// <summary>Bound of the relative norm of the head's gradient.</summary>
    /// <param name="stored">Its type.</param>
    /// <param name="budget">Bytes for the logits of a chunk, of which 1 makes chunks of 64 tokens.</param>
    public double HeadGradientBound(DType stored, long? budget) => stored == DType.BF16
        ? ProductTolerances.HeadGradientBf16(budget is null ? 1 : (Tokens + 63) / 64)
        : GradientBound(stored);

    public void Dispose()
    {
        _hidden.Dispose();
        _head.Dispose();
        _weights.Dispose();
        _ids.Dispose();
    }
}
