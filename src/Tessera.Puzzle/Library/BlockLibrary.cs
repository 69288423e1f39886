using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Models.Safetensors;
using Tessera.Puzzle.Calibration;
using Tessera.Runs;
using Tessera.Tensors;

namespace Tessera.Puzzle.Library;

/// <summary>Normalised error of a variant before and after its distillation, as it is recorded.</summary>
/// <param name="Before">Right after initialisation.</param>
/// <param name="After">After distillation.</param>
public sealed record VariantQuality(double Before, double After);

/// <summary>
/// All trained halves of all layers, in f32. Built job by job; every job's weights are a file of their own, so a library that
/// was interrupted goes on where it stopped.
/// </summary>
public sealed class BlockLibrary : IDisposable
{
    private readonly Arena _arena;
    private readonly Dictionary<(int Layer, string Half), SubBlock?> _blocks = [];
    private readonly Decoder _parent;
    private long _largestPlan;

    private BlockLibrary(Device device, Decoder parent)
    {
        _arena = device.CreateArena("block library");
        _parent = parent;
    }

    /// <summary>Quality of every trained half by <c>layer/half</c>, for instance <c>3/mixer-kv2</c>.</summary>
    public Dictionary<string, VariantQuality> Quality { get; } = [];

    /// <summary>Jobs a library of this parent consists of.</summary>
    public static int JobCount(ModelConfiguration parent) => parent.Layers.Sum(
        layer => VariantGrid.Mixers(layer.Mixer).Skip(1).Count(m => m is not NoMixerConfiguration)
            + VariantGrid.FeedForwards(layer.FeedForward).Skip(1).Count(f => f is not NoFeedForwardConfiguration));

    /// <summary>Builds or completes the library in a folder.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="activations">The parent's states to distil from.</param>
    /// <param name="settings">Length and rate of each distillation; 0 steps leave the initial weights.</param>
    /// <param name="folder">Where finished halves are stored.</param>
    /// <param name="onJob">Called after every job with its name.</param>
    public static BlockLibrary Build(
        Device device, ParentActivations activations, BlockDistillationSettings settings, string folder, Action<string> onJob)
    {
        var library = new BlockLibrary(device, activations.Parent);
        try
        {
            using var qualities = RecordedTable.Open(Path.Combine(folder, "quality.jsonl"));
            var factory = new BlockFactory(
                activations.Parent.Configuration, activations.Parent.Rope, library._arena, DType.F32);
            var initializer = new VariantInitializer(device, factory);
            for (int layer = 0; layer < activations.Parent.Layers.Count; layer++)
            {
                library.BuildLayer(new LayerJobs(device, activations, settings, folder, layer, initializer, qualities), onJob);
            }

            return library;
        }
        catch
        {
            library.Dispose();
            throw;
        }
    }

    /// <summary>The layer a variant stands for: trained halves, or the parent's own.</summary>
    public DecoderLayer Layer(int layer, BlockVariant variant) =>
        new(_blocks[(layer, Half(variant.Mixer))], _blocks[(layer, Half(variant.FeedForward))]);

    /// <summary>A child that shares library and parent weights.</summary>
    public Decoder Assemble(ModelConfiguration configuration) => _parent.WithLayers(
        configuration,
        [.. configuration.Layers.Select((layer, i) => Layer(i, new BlockVariant(layer.Mixer, layer.FeedForward)))]);

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    /// <summary>Says what a job took where it took more than those before, as the parts of a job differ and the largest decides.</summary>
    private void Report(in BlockDistillationResult result)
    {
        if (result.Planned.Bytes > _largestPlan)
        {
            _largestPlan = result.Planned.Bytes;
            Console.Error.WriteLine($"memory of a block's distillation: planned {HumanUnits.FormatBytes(_largestPlan)}, used {HumanUnits.FormatBytes(result.Used.Bytes)}");
        }
    }

    /// <summary>Name of a half within its layer; both kinds have a <c>linear</c>, so the kind is part of it.</summary>
    private static string Half(MixerConfiguration mixer) => $"mixer-{mixer}";

    private static string Half(FeedForwardConfiguration feedForward) => $"ffn-{feedForward}";

    private void BuildLayer(LayerJobs jobs, Action<string> onJob)
    {
        var shape = _parent.Configuration.Layers[jobs.Layer];
        var parent = _parent.Layers[jobs.Layer];
        _blocks[(jobs.Layer, Half(shape.Mixer))] = parent.Mixer;
        _blocks[(jobs.Layer, Half(shape.FeedForward))] = parent.FeedForward;
        foreach (var mixer in VariantGrid.Mixers(shape.Mixer).Skip(1))
        {
            string label = Half(mixer);
            _blocks[(jobs.Layer, label)] = mixer is NoMixerConfiguration
                ? null
                : jobs.Run(label, name => jobs.Initializer.Mixer(parent.Mixer!, mixer, name)!, (d, block) => d.TrainMixer(jobs.Layer, block), this, onJob);
        }

        if (VariantGrid.FeedForwards(shape.FeedForward).Count == 1)
        {
            return;
        }

        using var middles = new Middles(jobs);
        foreach (var feedForward in VariantGrid.FeedForwards(shape.FeedForward).Skip(1))
        {
            string label = Half(feedForward);
            _blocks[(jobs.Layer, label)] = feedForward is NoFeedForwardConfiguration
                ? null
                : jobs.Run(
                    label, name => jobs.Initializer.FeedForward(parent.FeedForward!, feedForward, middles.ChannelOrder, name)!,
                    (d, block) => d.TrainFeedForward(jobs.Layer, block, middles.Values), this, onJob);
        }
    }

    /// <summary>What the feed-forward jobs of a layer share: the stream between the halves, and the channels' order.</summary>
    private sealed class Middles : IDisposable
    {
        private readonly Arena _arena;

        public Middles(LayerJobs jobs)
        {
            _arena = jobs.Device.CreateArena("streams between halves");
            using var scratch = jobs.Device.CreateArena("mixer outputs");
            var values = new List<Tensor>();
            foreach (var batch in jobs.Activations.Batches)
            {
                scratch.Reset();
                var middle = LayerHalves.Middle(
                    new Executor(jobs.Device, scratch, null), jobs.Activations.Parent, batch, jobs.Layer);
                values.Add(ParentActivations.Keep(_arena, middle));
            }

            Values = values;
            ChannelOrder = ChannelContribution.Order(ChannelContribution.Score(jobs.Device, jobs.Activations, jobs.Layer));
        }

        public IReadOnlyList<Tensor> Values { get; }

        public int[] ChannelOrder { get; }

        public void Dispose() => _arena.Dispose();
    }

    /// <summary>The jobs of one layer: train and store, or read back.</summary>
    private sealed record LayerJobs(
        Device Device, ParentActivations Activations, BlockDistillationSettings Settings, string Folder, int Layer,
        VariantInitializer Initializer, RecordedTable Qualities)
    {
        public SubBlock Run(
            string label, Func<string, SubBlock> initialise, Func<BlockDistillation, SubBlock, BlockDistillationResult> train,
            BlockLibrary library, Action<string> onJob)
        {
            string key = $"{Layer}/{label}";
            string path = Path.Combine(Folder, $"layer{Layer:D3}.{label}.safetensors");
            var block = initialise($"layers.{Layer}.{label}");
            bool isStored = Qualities.TryGet(key, out _);
            library.Quality[key] = Qualities.GetOrAdd(key, PuzzleJson.Default.VariantQuality, () =>
            {
                var result = train(new BlockDistillation(Device, Activations, Settings), block);
                Write(path, block);
                library.Report(result);
                return new VariantQuality(result.Before, result.After);
            });
            if (isStored)
            {
                // The record is made after the weights are on disk, so a recorded job has its file.
                Read(path, block);
            }

            onJob($"layer {Layer} {label}");
            return block;
        }

        private static void Read(string path, SubBlock block)
        {
            using var file = SafetensorsCheckpoint.Open(path);
            using var converter = new CpuDevice(1);
            foreach (var parameter in block.Parameters)
            {
                file.CopyTo(
                    converter, parameter.Name, DType.F32, parameter.Memory, parameter.Address, parameter.Rows, parameter.Columns);
                parameter.MarkChanged();
            }
        }

        private static void Write(string path, SubBlock block) => SafetensorsWriter.Write(
            path,
            [.. block.Parameters.Select(p => new TensorToWrite(p.Name, DType.F32, [p.Rows, p.Columns], p.Address) { Memory = p.Memory })]);
    }
}
