using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Runs.Jobs;
using Tessera.Tensors;

namespace Tessera.Puzzle.Tests.Library;

/// <summary>Pairs of a mixer and a feed-forward that are trained as one block.</summary>
public sealed class PairTests : IDisposable
{
    private static readonly BlockDistillationSettings Settings = new(12, 3e-3);
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-pairs-").FullName;
    private readonly SmallParent _small = SmallParent.Of(
        Layer(), new LayerConfiguration(new NoMixerConfiguration(), new SwiGluConfiguration(48)));

    private readonly ModelParts _parts;

    public PairTests()
    {
        string model = Path.Combine(_folder, "model");
        ModelFolder.Save(model, _small.Model, DType.F32);
        _parts = StoredParts.Open(model, DType.F32, _small.Device);
    }

    [Fact]
    public void All_pairs_but_the_parents_own_and_the_absent_layer_are_trained()
    {
        var shape = _small.Configuration with
        {
            Layers = [.. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(8), new SwiGluConfiguration(14336)), 32)],
        };

        // Puzzle counts 6 · 9 of a layer with the parent's own pair and the absent one.
        Assert.Equal(32 * ((6 * 9) - 2), LibraryPair.Of(shape, [.. shape.Layers.Select(VariantGrid.Blocks)]).Count);
        Assert.Equal(
            ["layer001.none.ffn32", "layer001.none.ffn16", "layer001.none.linear"],
            LibraryPair.Of(_small.Configuration, [.. _small.Configuration.Layers.Select(VariantGrid.Blocks)])
                .Where(pair => pair.Layer == 1).Select(pair => pair.Job));
    }

    [Fact]
    public void A_pair_is_trained_as_a_whole_and_stands_for_its_halves_from_then_on()
    {
        var (library, own) = Build("run", Settings);
        Assert.Equal(3, own);
        using var arena = new Arena("test");
        using var steps = new CalibrationSteps(_small.Device, Batches);
        using var other = JobFolder.Open(Path.Combine(_folder, "states", "jobs"));
        using var states = new ParentStates(_small.Device, _parts, steps, other, forDistillation: true);
        states.ComputeAll();
        foreach (var pair in Pairs.Where(pair => pair.Block.Mixer is AttentionConfiguration))
        {
            var halves = library.Mixer(0, pair.Block.Mixer, arena)!.Parameters.Concat(library.FeedForward(0, pair.Block.FeedForward, arena)!.Parameters);
            var trained = library.Layer(0, pair.Block, arena);

            // Every number of both halves moved, those of the parent's own half as well.
            Assert.All(trained.Parameters.Zip(halves), both => Assert.NotEqual(Values(both.First), Values(both.Second)));
            double before = Error(states, new Models.Blocks.DecoderLayer(
                library.Mixer(0, pair.Block.Mixer, arena), library.FeedForward(0, pair.Block.FeedForward, arena)));
            double after = Error(states, trained);
            Assert.True(after < 0.9 * before, $"{pair.Block.Label}: {before} to {after}");
            var child = library.Child(_small.Configuration with { Layers = [pair.Block.ToLayer(), _small.Configuration.Layers[1]] });
            Assert.All(
                child.Layer(0, arena).Parameters.Zip(trained.Parameters),
                both => Assert.Equal(Values(both.First), Values(both.Second)));
            Assert.All(
                child.Layer(1, arena).Parameters.Zip(_parts.Layer(1, arena).Parameters),
                both => Assert.Equal(Values(both.First), Values(both.Second)));
        }

        var entries = System.Text.Json.JsonSerializer.Deserialize(
            File.ReadAllText(Path.Combine(_folder, "run", "pairs", "pairs.json")), PuzzleJson.Default.PairEntryArray)!;
        Assert.Equal(Pairs.Select(pair => pair.Block.Label), entries.Select(entry => entry.Block));
        Assert.All(entries, entry => Assert.True(File.Exists(Path.Combine(_folder, "run", "pairs", entry.File!)), entry.File));
        Assert.False(Directory.Exists(Path.Combine(_folder, "run", "pairs", "states")));
    }

    [Fact]
    public void Pairs_of_a_parent_in_bf16_are_in_bf16_and_trained_in_f32()
    {
        using var rounded = StoredParts.Open(Path.Combine(_folder, "model"), DType.BF16, _small.Device);
        var (library, _) = Build("bf16", Settings, rounded);
        using var steps = new CalibrationSteps(_small.Device, Batches);
        using var jobs = JobFolder.Open(Path.Combine(_folder, "states", "jobs"));
        using var states = new ParentStates(_small.Device, rounded, steps, jobs, forDistillation: true);
        states.ComputeAll();
        using var arena = new Arena("test");
        foreach (var pair in Pairs.Where(pair => pair.Block.Mixer is AttentionConfiguration))
        {
            var trained = library.Layer(0, pair.Block, arena);
            Assert.All(trained.Parameters, parameter => Assert.Equal(parameter.Decays ? DType.BF16 : DType.F32, parameter.Type));
            double before = Error(states, new Models.Blocks.DecoderLayer(
                library.Mixer(0, pair.Block.Mixer, arena), library.FeedForward(0, pair.Block.FeedForward, arena)));
            double after = Error(states, trained);

            // Steps of 3e-3 on masters in bf16 would be lost in rounding: 2^-9 of a weight is more than most of them.
            Assert.True(after < 0.9 * before, $"{pair.Block.Label}: {before} to {after}");
        }
    }

    [Fact]
    public void A_pair_that_training_does_not_improve_stays_its_halves()
    {
        var (library, _) = Build("untrained", Settings with { Steps = 0 });
        using var arena = new Arena("test");
        var block = Pairs[0].Block;
        var halves = library.Mixer(0, block.Mixer, arena)!.Parameters.Concat(library.FeedForward(0, block.FeedForward, arena)!.Parameters);
        Assert.All(library.Layer(0, block, arena).Parameters.Zip(halves), both => Assert.Equal(Values(both.First), Values(both.Second)));
        Assert.False(Directory.Exists(Path.Combine(_folder, "untrained", "pairs", "weights")));
    }

    [Fact]
    public async Task Two_at_one_folder_share_the_pairs_and_leave_the_files_of_one()
    {
        Build("one", Settings);
        var both = await Task.WhenAll(Task.Run(() => Build("two", Settings).Own), Task.Run(() => Build("two", Settings).Own));
        Assert.Equal(3, both.Sum());
        foreach (string file in Directory.GetFiles(Path.Combine(_folder, "one", "pairs"), "*.*", SearchOption.AllDirectories)
            .Where(path => path.EndsWith(".json", StringComparison.Ordinal) || path.EndsWith(".safetensors", StringComparison.Ordinal)))
        {
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(file.Replace(Path.Combine(_folder, "one"), Path.Combine(_folder, "two"), StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void A_damaged_pair_is_named_with_its_job()
    {
        Build("run", Settings);
        string file = Directory.GetFiles(Path.Combine(_folder, "run", "pairs", "weights"))[0];
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^3] ^= 1;
        File.WriteAllBytes(file, bytes);
        using var jobs = JobFolder.Open(Path.Combine(_folder, "run", "pairs", "jobs"));
        using var halfJobs = JobFolder.Open(Path.Combine(_folder, "run", "halves", "jobs"));
        var library = new BlockLibrary(_small.Device, _parts, halfJobs).WithPairs(jobs, Pairs);
        using var arena = new Arena("test");
        var damage = Assert.Throws<DamagedJobException>(() => Pairs.Select(pair => library.Layer(0, pair.Block, arena)).ToList());
        Assert.Equal(Path.GetFileNameWithoutExtension(file), damage.Job);
    }

    public void Dispose()
    {
        _parts.Dispose();
        _small.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static LayerConfiguration Layer() => new(new AttentionConfiguration(4), new SwiGluConfiguration(48));

    private static Training.Data.PackedBatch[] Batches => [SmallParent.Batch(1), SmallParent.Batch(2)];

    private static LibraryPair[] Pairs =>
    [
        new(0, new BlockVariant(new AttentionConfiguration(1), new SwiGluConfiguration(16))),
        new(0, new BlockVariant(new AttentionConfiguration(4), new SwiGluConfiguration(16))),
        new(0, new BlockVariant(new NoMixerConfiguration(), new SwiGluConfiguration(16))),
    ];

    /// <summary>Makes halves and pairs; the folders of jobs are left open to the reader of the library.</summary>
    private (BlockLibrary Library, int Own) Build(string name, BlockDistillationSettings settings, ModelParts? of = null)
    {
        var parts = of ?? _parts;
        using var device = new CpuDevice(1);
        using var steps = new CalibrationSteps(device, Batches);
        using var halfJobs = JobFolder.Open(Path.Combine(_folder, name, "halves", "jobs"));
        using (var states = new ParentStates(device, parts, steps, halfJobs, forDistillation: true))
        {
            new LibraryBuilder(device, states, settings with { Steps = settings.Steps / 4 }, halfJobs).Run(_ => { });
        }

        using var jobs = JobFolder.Open(Path.Combine(_folder, name, "pairs", "jobs"));
        using var again = new ParentStates(device, parts, steps, jobs, forDistillation: true);
        int own = new PairBuilder(device, again, new BlockLibrary(device, parts, halfJobs), settings, jobs).Run(Pairs, _ => { });
        return (new BlockLibrary(_small.Device, parts, halfJobs).WithPairs(jobs, Pairs), own);
    }

    /// <summary>MSE(o_p, o_c) / MSE(o_p, 0) of a layer on the parent's states, mean over batches.</summary>
    private double Error(ParentStates states, Models.Blocks.DecoderLayer layer)
    {
        double sum = 0;
        for (int batch = 0; batch < states.Steps.Count; batch++)
        {
            using var arena = new Arena("test");
            var executor = new Executor(_small.Device, arena, null);
            var output = Models.Decoder.LayerOutput(executor, _small.Configuration, layer, states.Steps.Steps[batch], states.Read(arena, 0, batch));
            float[] target = Values(states.Read(arena, 1, batch)), found = Values(output);
            sum += target.Zip(found).Sum(pair => Math.Pow(pair.First - pair.Second, 2)) / target.Sum(value => Math.Pow(value, 2));
        }

        return sum / states.Steps.Count;
    }

    private static unsafe float[] Values(Tensor tensor) => new ReadOnlySpan<float>(tensor.Data.Floats, (int)tensor.Count).ToArray();

    private static unsafe float[] Values(Parameter parameter) => new ReadOnlySpan<float>(parameter.Floats, (int)parameter.Count).ToArray();
}
