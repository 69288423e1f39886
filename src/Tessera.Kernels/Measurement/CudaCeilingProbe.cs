using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>A card's ceilings: the vendor's library on a large square product, and the driver's copy.</summary>
/// <remarks>
/// The product is asked of cuBLASLt without our launcher, in the type of the device's activations, on random numbers: zeros need
/// less power and run faster. The copy is four times as large as the second-level cache at least.
/// </remarks>
internal sealed class CudaCeilingProbe : CeilingProbe
{
    private const long CopyBytes = 512L << 20;
    private const int Copies = 4;
    private const int Products = 3;

    private readonly CudaDevice _device;
    private readonly DeviceClock _clock;
    private readonly Arena _arena;
    private readonly int _edge;
    private nint _source;
    private nint _target;
    private nint _left;
    private nint _right;
    private nint _result;

    /// <summary>A probe of one card.</summary>
    public CudaCeilingProbe(CudaDevice device)
    {
        _device = device;
        _clock = device.CreateClock();
        _arena = device.CreateArena("ceilings");

        // About as long in either type: the tensor cores do not serve f32.
        _edge = device.ActivationType == DType.BF16 ? 8192 : 4096;
    }

    /// <inheritdoc />
    public override double Rate(BenchCeiling ceiling) =>
        ceiling is BenchCeiling.FusedMultiplyAdd or BenchCeiling.Int8DotProduct ? ProductRate() : CopyRate();

    /// <inheritdoc />
    public override double? Published(BenchCeiling ceiling) =>
        ceiling == BenchCeiling.FusedMultiplyAdd && _device.ActivationType == DType.BF16
            ? PublishedPeaks.Bf16Flops(_device.Card.Name)
            : null;

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _clock.Dispose();
            _arena.Dispose();
        }
    }

    private double CopyRate()
    {
        if (_source == 0)
        {
            _source = BenchInputs.Filled(_arena, CopyBytes / sizeof(float), DType.F32, 1).Address;
            _target = _arena.Allocate(CopyBytes);
            Copy();
        }

        _clock.Reset();
        int start = _clock.Mark();
        for (int i = 0; i < Copies; i++)
        {
            Copy();
        }

        return 2.0 * CopyBytes * Copies / _clock.Seconds(start, _clock.Mark());
    }

    private double ProductRate()
    {
        if (_left == 0)
        {
            long count = (long)_edge * _edge;
            _left = BenchInputs.Filled(_arena, count, _device.ActivationType, 2).Address;
            _right = BenchInputs.Filled(_arena, count, _device.ActivationType, 3).Address;
            _result = _arena.Allocate(count * _device.ActivationType.Bytes());
            Multiply();
        }

        _clock.Reset();
        int start = _clock.Mark();
        for (int i = 0; i < Products; i++)
        {
            Multiply();
        }

        return 2.0 * _edge * _edge * _edge * Products / _clock.Seconds(start, _clock.Mark());
    }

    private void Copy() => _device.Copy(_source, _target, CopyBytes);

    private void Multiply()
    {
        DType type = _device.ActivationType;
        var product = new CudaProduct(_edge, _edge, _edge, false, true, _edge, _edge, _edge, type, type);
        if (!_device.Products.TryMultiply(product, _left, _right, _result, accumulate: false))
        {
            throw new NotSupportedException($"cuBLASLt has no algorithm for {product}, which products are held against");
        }
    }
}
