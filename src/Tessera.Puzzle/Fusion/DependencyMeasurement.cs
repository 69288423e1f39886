using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Fusion;

/// <summary>Measures <see cref="DependencyMatrix"/>: one pass of the whole model and one without each layer, batch by batch.</summary>
/// <remarks>
/// A pass without layer i begins behind it, on the stream that the whole model had there, so L + 1 passes cost about half as many. Kept
/// are the contributions of all layers to one batch, [tokens, hidden] each, and nothing between batches. A contribution is the sum of
/// the layer's branches, and not the difference of two streams, which would lose what a large stream rounds away.
/// Determinism: bitwise, independent of thread count.
/// </remarks>
public static unsafe class DependencyMeasurement
{
    /// <summary>Measures over packed documents.</summary>
    /// <param name="device">Where the model lies.</param>
    /// <param name="model">The model.</param>
    /// <param name="batches">At least one.</param>
    /// <param name="onBatch">Called after every batch, if not null.</param>
    /// <exception cref="ArgumentException">There are no batches, or an id is outside the vocabulary.</exception>
    public static DependencyMatrix Measure(Device device, Decoder model, IEnumerable<PackedBatch> batches, Action? onBatch = null)
    {
        int layers = model.Layers.Count;
        var sums = new double[layers, layers];
        long tokens = 0, documents = 0;
        using var kept = device.CreateArena("contributions");
        using var work = device.CreateArena("dependency");
        foreach (var batch in batches)
        {
            kept.Reset();
            new Pass(device, model, batch, kept, work).AddTo(sums);
            tokens += batch.Ids.Length;
            documents += batch.Lengths.Length;
            onBatch?.Invoke();
        }

        if (tokens == 0)
        {
            throw new ArgumentException("dependencies of layers need at least one document", nameof(batches));
        }

        return new DependencyMatrix
        {
            Documents = documents,
            Tokens = tokens,
            Values = [.. Enumerable.Range(0, layers).Select(i => (IReadOnlyList<double?>)[.. Enumerable.Range(0, layers).Select(
                j => j > i && model.Layers[j] is not { Mixer: null, FeedForward: null } ? sums[i, j] / tokens : (double?)null)])],
        };
    }

    /// <summary>All passes over one batch.</summary>
    private sealed class Pass
    {
        private readonly Device _device;
        private readonly Decoder _model;
        private readonly Arena _work;
        private readonly StepBatch _step;
        private readonly Tensor[] _contributions;
        private readonly Tensor _whole;
        private readonly Tensor _without;
        private readonly nint _weights;
        private readonly nint _distances;
        private readonly float[] _host;

        public Pass(Device device, Decoder model, PackedBatch batch, Arena kept, Arena work)
        {
            (_device, _model, _work) = (device, model, work);
            _step = StepBatch.Packed(kept, batch.Ids, batch.Lengths);
            model.Prepare(kept, _step, null);
            var executor = new Executor(device, kept, null);
            _whole = executor.Embed(_step.Ids, _step.Tokens, model.Embedding);
            _without = executor.Allocate(_whole.Rows, _whole.Columns);
            _host = new float[_step.Tokens];
            _weights = (nint)kept.Floats(_host.Length);
            _distances = (nint)kept.Floats(_host.Length);
            Array.Fill(_host, 1f);
            device.Upload<float>(_host, _weights);
            _contributions = new Tensor[model.Layers.Count];
            device.Copy(_whole.Address, _without.Address, _whole.Bytes);
            for (int layer = 0; layer < _contributions.Length; layer++)
            {
                var added = Run(_without, layer);
                _contributions[layer] = added.Exists ? LayerHalves.Keep(kept, added) : default;
            }
        }

        /// <summary>Adds Σ over tokens of 1 − cos for every pair of layers.</summary>
        public void AddTo(double[,] sums)
        {
            int layers = _contributions.Length;
            for (int removed = 0; removed < layers; removed++)
            {
                // The stream in front of the removed layer goes on behind it as if it had added nothing.
                _device.Copy(_whole.Address, _without.Address, _whole.Bytes);
                for (int layer = removed + 1; layer < layers; layer++)
                {
                    var added = Run(_without, layer);
                    if (added.Exists)
                    {
                        sums[removed, layer] += Distance(added, _contributions[layer]);
                    }
                }

                Accumulate(_whole, _contributions[removed]);
            }
        }

        /// <summary>What a layer adds to a stream, and adds it; nothing for an empty layer. Valid until the next call.</summary>
        private Tensor Run(Tensor stream, int layer)
        {
            _work.Reset();
            var added = LayerHalves.Contribution(new Executor(_device, _work, null), _model, _step, stream, layer);
            Accumulate(stream, added);
            return added;
        }

        private void Accumulate(Tensor stream, Tensor added)
        {
            if (added.Exists)
            {
                Residual.Accumulate(_device, stream.Data, added.Data, stream.Count);
            }
        }

        private double Distance(Tensor first, Tensor second)
        {
            HiddenLoss.Cosine(
                _device, first.Data, second.Data, (float*)_weights, (float*)_distances, default, first.Rows, first.Columns, 0f);
            _device.Download<float>(_distances, _host);
            double sum = 0;
            foreach (float distance in _host)
            {
                sum += distance;
            }

            return sum;
        }
    }
}
