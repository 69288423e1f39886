using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Scoring;

/// <summary>
/// Residual streams of several models over some batches, in memory while layers pass by one at a time. What a stream becomes does not
/// depend on which others are in memory, so the size of the window changes no bit.
/// </summary>
internal sealed class StreamWindow : IDisposable
{
    private readonly Device _device;
    private readonly CalibrationSteps _steps;
    private readonly ModelConfiguration _shape;
    private readonly Arena _kept;
    private readonly Tensor[,] _streams;

    /// <summary>Cuts the batches into windows.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="steps">The batches.</param>
    /// <param name="shape">Hidden size and settings that the models share.</param>
    /// <param name="models">Models whose streams are kept side by side.</param>
    /// <param name="bytes">Most bytes of streams; at least one batch is taken.</param>
    public StreamWindow(Device device, CalibrationSteps steps, ModelConfiguration shape, int models, long bytes)
    {
        (_device, _steps, _shape) = (device, steps, shape);
        _kept = device.CreateArena("residual streams");
        Work = device.CreateArena("activations");
        long batch = (long)steps.LargestBatch * shape.HiddenSize * device.ActivationType.Bytes() * models;
        BatchesPerWindow = (int)Math.Clamp(bytes / Math.Max(1, batch), 1, Math.Max(1, steps.Count));
        _streams = new Tensor[models, BatchesPerWindow];
    }

    /// <summary>Batches of a window.</summary>
    public int BatchesPerWindow { get; }

    /// <summary>For what is computed on the way; each call that begins with an executor resets it.</summary>
    public Arena Work { get; }

    /// <summary>First batch of this window.</summary>
    public int First { get; private set; }

    /// <summary>One behind its last.</summary>
    public int End { get; private set; }

    /// <summary>Goes through the windows of all batches.</summary>
    public IEnumerable<StreamWindow> Windows() => Windows(0, _steps.Count);

    /// <summary>Goes through the windows of some batches.</summary>
    /// <param name="from">First batch.</param>
    /// <param name="to">One behind the last.</param>
    public IEnumerable<StreamWindow> Windows(int from, int to)
    {
        for (int first = from; first < to; first += BatchesPerWindow)
        {
            (First, End) = (first, Math.Min(first + BatchesPerWindow, to));
            _kept.Reset();
            Array.Clear(_streams);
            yield return this;
        }
    }

    /// <summary>The stream of a model over a batch of this window.</summary>
    public Tensor this[int model, int batch] => _streams[model, batch - First];

    /// <summary>An executor on a cleared work arena.</summary>
    public Executor Fresh()
    {
        Work.Reset();
        return new Executor(_device, Work, null);
    }

    /// <summary>Begins a stream with a copy of a tensor.</summary>
    public void Set(int model, int batch, Tensor states)
    {
        ref var stream = ref _streams[model, batch - First];
        if (stream.Exists)
        {
            _device.Copy(states.Address, stream.Address, states.Bytes);
        }
        else
        {
            stream = LayerHalves.Keep(_kept, states);
        }
    }

    /// <summary>Leads a model's streams of all batches of the window through a layer.</summary>
    public void Apply(int model, DecoderLayer layer)
    {
        for (int batch = First; batch < End; batch++)
        {
            var input = this[model, batch];
            var output = Decoder.LayerOutput(Fresh(), _shape, layer, _steps.Steps[batch], input);
            if (output.Address != input.Address)
            {
                _device.Copy(output.Address, input.Address, output.Bytes);
            }
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _kept.Dispose();
        Work.Dispose();
    }
}
