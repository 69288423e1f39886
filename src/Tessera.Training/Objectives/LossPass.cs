using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Training.Data;

namespace Tessera.Training.Objectives;

/// <summary>
/// Targets, weights and per-token losses of one batch in a device's memory. Every loss has rows of its own, so that nothing need be
/// read before all has been asked for.
/// </summary>
internal sealed unsafe class LossPass
{
    private PackedBatch _batch = new([], [], [], []);
    private float[] _losses = [];
    private float[] _scaled = [];
    private DeviceMemory _memory = HostMemory.Instance;
    private float* _deviceLosses;
    private int _asked;
    private int _count;

    /// <summary>Factor on every gradient: 1 / weight of the step.</summary>
    public float Scale { get; private set; }

    public int* Targets { get; private set; }

    public float* Weights { get; private set; }

    /// <summary>Begins a batch.</summary>
    /// <param name="batch">The tokens.</param>
    /// <param name="vocabulary">Entries of the vocabulary.</param>
    /// <param name="arena">Owner of what lies on the device.</param>
    /// <param name="losses">How many losses will be asked for.</param>
    /// <param name="scale">See <see cref="Scale"/>.</param>
    /// <param name="scalesWeights">
    /// Whether the device's weights are multiplied by the scale, which is 1 then: recorded work holds no value that changes.
    /// </param>
    /// <exception cref="ArgumentException">A target with weight is outside the vocabulary.</exception>
    public void Begin(PackedBatch batch, int vocabulary, Arena arena, int losses, float scale, bool scalesWeights)
    {
        LinearCrossEntropy.CheckTargets(batch.Targets, batch.Weights, vocabulary);
        int tokens = batch.Ids.Length;
        _batch = batch;
        _memory = arena.Memory;
        _asked = 0;
        _count = losses;
        Scale = scalesWeights ? 1f : scale;
        Targets = (int*)arena.Allocate((long)tokens * sizeof(int));
        Weights = arena.Floats(tokens);
        _deviceLosses = arena.Floats((long)tokens * losses);
        _memory.Upload<int>(batch.Targets, (nint)Targets);
        _memory.Upload<float>(scalesWeights && scale != 1f ? Scaled(batch.Weights, scale) : batch.Weights, (nint)Weights);
        if (_losses.Length < (long)tokens * losses)
        {
            _losses = new float[checked(tokens * losses)];
        }
    }

    private ReadOnlySpan<float> Scaled(float[] weights, float scale)
    {
        if (_scaled.Length < weights.Length)
        {
            _scaled = new float[weights.Length];
        }

        for (int i = 0; i < weights.Length; i++)
        {
            _scaled[i] = weights[i] * scale;
        }

        return _scaled.AsSpan(0, weights.Length);
    }

    /// <summary>Where the next loss puts its value for every token.</summary>
    public float* Ask() => _deviceLosses + ((long)_asked++ * _batch.Ids.Length);

    /// <summary>Brings the losses to the host, after all work asked for before.</summary>
    public void Fetch() => _memory.Download((nint)_deviceLosses, _losses.AsSpan(0, _count * _batch.Ids.Length));

    /// <summary>Weighted mean of the token losses, summed in order in double precision.</summary>
    /// <param name="number">Of the loss, in the order of asking.</param>
    public double Mean(int number)
    {
        double sum = 0, weight = 0;
        var losses = _losses.AsSpan(number * _batch.Ids.Length, _batch.Ids.Length);
        for (int i = 0; i < losses.Length; i++)
        {
            if (_batch.Weights[i] != 0)
            {
                sum += (double)_batch.Weights[i] * losses[i];
                weight += _batch.Weights[i];
            }
        }

        return weight == 0 ? 0 : sum / weight;
    }
}
