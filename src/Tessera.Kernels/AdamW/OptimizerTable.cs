using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>
/// The tensors of an optimiser, described to a device once, and the numbers of its present step. On a card both lie in its memory, so that
/// a step uploads nothing but a few numbers, and what runs between two uploads can be recorded.
/// </summary>
public sealed unsafe class OptimizerTable
{
    private readonly Device _device;
    private readonly AdamWTensor[] _tensors;
    private readonly nint _numbers;
    private bool _isDescribed;

    /// <summary>Takes room for a table without contents.</summary>
    /// <param name="device">Where the tensors lie.</param>
    /// <param name="arena">Owner of the room, in the device's memory.</param>
    /// <param name="count">Tensors.</param>
    public OptimizerTable(Device device, Arena arena, int count)
    {
        _device = device;
        _tensors = new AdamWTensor[count];
        if (device is CudaDevice)
        {
            Rows = (TrainedTensor*)arena.Allocate((long)count * sizeof(TrainedTensor));
            _numbers = arena.Allocate(sizeof(AdamWNumbers));
        }
    }

    /// <summary>The tensors.</summary>
    public ReadOnlySpan<AdamWTensor> Tensors => _tensors;

    /// <summary>The numbers of the present step.</summary>
    public AdamWSettings Settings { get; private set; } = new() { LearningRate = 0, Step = 1 };

    /// <summary>The tensors in a card's memory; null elsewhere.</summary>
    internal TrainedTensor* Rows { get; }

    /// <summary>The numbers in a card's memory; null elsewhere.</summary>
    internal AdamWNumbers* Numbers => (AdamWNumbers*)_numbers;

    /// <summary>Blocks of threads that all tensors take together on a card.</summary>
    internal int Chunks { get; private set; }

    /// <summary>Bytes that a table takes of its arena.</summary>
    public static long Bytes(Device device, int count) => device is CudaDevice
        ? Arena.PaddedBytes((long)count * sizeof(TrainedTensor)) + Arena.PaddedBytes(sizeof(AdamWNumbers))
        : 0;

    /// <summary>Says where the tensors lie; brought to the device the first time, and again where one has moved.</summary>
    /// <param name="tensors">As many as the table has.</param>
    public void Describe(ReadOnlySpan<AdamWTensor> tensors)
    {
        if (tensors.Length != _tensors.Length)
        {
            throw new ArgumentException($"{tensors.Length} tensors for an optimiser's table of {_tensors.Length}", nameof(tensors));
        }

        if (_isDescribed && tensors.SequenceEqual(_tensors))
        {
            return;
        }

        tensors.CopyTo(_tensors);
        if (_device is CudaDevice cuda)
        {
            Chunks = TrainedTensor.Upload(cuda, tensors.Length, tensors, static (all, i) => AdamW.Describe(all[i]), Rows);
        }

        _isDescribed = true;
    }

    /// <summary>Brings the numbers of the next step to the device.</summary>
    /// <exception cref="ArgumentException">The step is below 1 or a decay is outside [0, 1).</exception>
    public void Set(in AdamWSettings settings)
    {
        AdamW.Check(settings);
        Settings = settings;
        if (_device is CudaDevice cuda)
        {
            cuda.Upload<AdamWNumbers>([AdamWNumbers.Of(settings)], _numbers);
        }
    }
}
