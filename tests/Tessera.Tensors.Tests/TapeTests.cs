using Tessera.Devices;

namespace Tessera.Tensors.Tests;

public sealed unsafe class TapeTests
{
    [Fact]
    public void A_second_step_finds_its_tensors_and_gradients_at_the_same_addresses_with_the_same_bits()
    {
        using var probe = new GradientProbe();
        var (program, addresses) = Program(probe, 20, 32);
        probe.Differentiate(program);
        nint[] firstAddresses = [.. addresses];
        float[][] firstGradients = Gradients(probe);
        addresses.Clear();
        probe.Differentiate(program);
        Assert.Equal(firstAddresses, addresses);
        Assert.Equal(firstGradients, Gradients(probe));
    }

    [Fact]
    public void Gradients_have_the_same_bits_for_any_number_of_threads()
    {
        var results = new List<float[][]>();
        foreach (int threads in (ReadOnlySpan<int>)[1, 2, 3, 5, 8])
        {
            using var probe = new GradientProbe(threads);
            probe.Differentiate(Program(probe, 150, 96).Program);
            results.Add(Gradients(probe));
        }

        Assert.Contains(results[0], gradient => gradient.Any(value => value != 0));
        Assert.All(results, result => Assert.Equal(results[0], result));
    }

    [Fact]
    public void Parameter_gradients_add_up_over_passes_until_they_are_cleared()
    {
        using var probe = new GradientProbe();
        var table = probe.Weight(3, 4);
        Tensor[] Run(Executor executor) => [probe.Input(executor, table)];
        probe.Differentiate(Run);
        float[] once = new Span<float>(table.Gradient.Floats, 12).ToArray();
        probe.Differentiate(Run, clear: false);
        Assert.Equal(once.Select(value => 2 * value), new Span<float>(table.Gradient.Floats, 12).ToArray());
        table.ClearGradient();
        Assert.All(new Span<float>(table.Gradient.Floats, 12).ToArray(), value => Assert.Equal(0f, value));
    }

    [Fact]
    public void Nothing_is_recorded_for_frozen_weights_or_without_a_tape()
    {
        using var probe = new GradientProbe();
        using var arena = new Arena("test");
        using var tape = new Tape(probe.Device);
        var frozen = probe.Weight(3, 4, trained: false);
        var trained = probe.Weight(3, 4);
        Assert.Equal(-1, probe.Input(new Executor(probe.Device, arena, tape), frozen).Node);
        Assert.Equal(-1, probe.Input(new Executor(probe.Device, arena, null), trained).Node);
        Assert.Equal(0, probe.Input(new Executor(probe.Device, arena, tape), trained).Node);
    }

    [Fact]
    public void Every_arena_is_given_back()
    {
        int arenas = Arena.LiveArenas;
        long bytes = Arena.LiveBytes;
        using (var probe = new GradientProbe(2))
        {
            probe.Differentiate(Program(probe, 20, 32).Program);
            Assert.True(Arena.LiveArenas > arenas && Arena.LiveBytes > bytes);
        }

        Assert.Equal(arenas, Arena.LiveArenas);
        Assert.Equal(bytes, Arena.LiveBytes);
    }

    [Fact]
    public void A_bf16_parameter_refuses_to_be_trained_by_name()
    {
        using var arena = new Arena("test");
        var parameter = new Parameter("layers.7.mixer.qkv", 2, 3, DType.BF16, arena);
        Assert.Equal(12, parameter.Bytes);
        var error = Assert.Throws<InvalidOperationException>(() => parameter.Train(arena));
        Assert.Contains("layers.7.mixer.qkv", error.Message, StringComparison.Ordinal);
        Assert.False(parameter.IsTrainable);
    }

    [Fact]
    public void A_parameter_counts_its_changes_and_cuts_rows()
    {
        using var arena = new Arena("test");
        var parameter = new Parameter("w", 5, 3, DType.BF16, arena);
        Assert.Equal(0, parameter.Version);
        parameter.MarkChanged();
        Assert.Equal(1, parameter.Version);
        var rows = parameter.RowsView(2, 3);
        Assert.Equal(parameter.Address + (2 * 3 * 2), rows.Address);
        Assert.Equal((3, 3, DType.BF16), (rows.Rows, rows.Columns, rows.Type));
        Assert.True(parameter.Decays);
        Assert.False(new Parameter("g", 1, 3, DType.F32, arena).Decays);
        Assert.False(new Parameter("b", 3, 1, DType.F32, arena).Decays);
    }

    private static (Func<Executor, Tensor[]> Program, List<nint> Addresses) Program(GradientProbe probe, int tokens, int width)
    {
        var table = probe.Weight(tokens, width);
        var gains = new[] { probe.Weight(1, width), probe.Weight(1, width) };
        var gateUp = probe.Weight(4 * width, width, 0.1f);
        var down = probe.Weight(width, 2 * width, 0.1f);
        int[] ids = [.. Enumerable.Range(0, tokens)];
        int* copy = probe.Integers(ids);
        var addresses = new List<nint>();
        return (executor =>
        {
            var residual = executor.Embed(copy, tokens, table);
            var branch = executor.Linear(executor.SwiGlu(executor.Linear(executor.RmsNorm(residual, gains[0], 1e-5f), gateUp)), down);
            var (sum, normalised) = executor.AddRmsNorm(residual, branch, gains[1], 1e-5f);
            Tensor[] outputs = [sum, normalised, residual];
            addresses.AddRange(outputs.Select(tensor => tensor.Address));
            addresses.AddRange(outputs.Select(tensor => executor.Tape!.GradientOf(tensor).Address));
            return outputs;
        }, addresses);
    }

    private static float[][] Gradients(GradientProbe probe) =>
        [.. probe.Trained.Select(parameter => new Span<float>(parameter.Gradient.Floats, (int)parameter.Count).ToArray())];
}
