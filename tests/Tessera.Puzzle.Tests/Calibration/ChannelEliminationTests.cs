using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Runs.Jobs;
using Tessera.Tensors;

namespace Tessera.Puzzle.Tests.Calibration;

/// <summary>Channels that are cut in rounds.</summary>
public sealed class ChannelEliminationTests
{
    private const int Hidden = 32;
    private const int Width = 48;
    private const int Tokens = 64;

    [Fact]
    public void One_round_gives_the_order_of_contributions()
    {
        using var small = new SmallParent();
        using var states = small.States(1, 2);
        Assert.Equal(
            ChannelContribution.Order(states.States.ChannelScores(1)), new ChannelElimination(small.Device, states.States, 1).Order(1));
    }

    // The formula in double from the weights alone, round by round.
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(5)]
    public void Rounds_cut_what_adds_least_to_the_error_of_what_is_missing(int rounds)
    {
        using var small = new SmallParent();
        using var states = small.States(7, 1);
        double[,] x = Activations(small, states), down = Down(small);
        var missing = new List<int>();
        for (int round = 0; round < rounds; round++)
        {
            double[] scores = [.. Enumerable.Range(0, Width).Select(channel => Error(x, down, [.. missing, channel]))];
            int left = Width * (rounds - 1 - round) / rounds;
            missing.AddRange(Enumerable.Range(0, Width).Except(missing).OrderBy(channel => scores[channel])
                .Take(Width - left - missing.Count).ToList());
        }

        int[] order = new ChannelElimination(small.Device, states.States, 0).Order(rounds);
        Assert.Equal(Enumerable.Range(0, Width), order.Order());
        Assert.Equal(Enumerable.Reverse(missing), order);
    }

    // Two channels that cancel each other: alone each is dear, together they are nothing.
    [Fact]
    public unsafe void Channels_that_cancel_each_other_are_cut_together()
    {
        using var small = new SmallParent();
        var block = (SwiGluBlock)small.Model.Layers[0].FeedForward!;
        const int One = 3, Other = 40, Partner = 8;
        for (int c = 0; c < Hidden; c++)
        {
            // Channels 3 and 40 see the same, and their columns are opposite and many times longer than others; 8 is nearly nothing.
            block.GateUp.Floats[(Other * Hidden) + c] = block.GateUp.Floats[(One * Hidden) + c];
            block.GateUp.Floats[((Width + Other) * Hidden) + c] = block.GateUp.Floats[((Width + One) * Hidden) + c];
            block.Down.Floats[(c * Width) + One] = 2 * block.Down.Floats[(c * Width) + One];
            block.Down.Floats[(c * Width) + Other] = -block.Down.Floats[(c * Width) + One];
            block.Down.Floats[(c * Width) + Partner] *= 1e-3f;
        }

        using var states = small.States(7, 1);
        int[] once = new ChannelElimination(small.Device, states.States, 0).Order(1);
        int[] rounds = new ChannelElimination(small.Device, states.States, 0).Order(Width);
        Assert.Equal(Partner, once[^1]);
        Assert.Equal(Partner, rounds[^1]);

        // Once one of the two is gone, nothing lowers the error like the other: it goes next.
        Assert.Equal(1, Math.Abs(Array.IndexOf(rounds, One) - Array.IndexOf(rounds, Other)));
    }

    // Weights in bf16 are widened exactly: the order is that of a parent in f32 with the same numbers.
    [Fact]
    public void The_order_of_a_parent_in_bf16_is_that_of_its_numbers_in_f32()
    {
        using var small = new SmallParent();
        string folder = Directory.CreateTempSubdirectory("tessera-elimination-").FullName;
        try
        {
            ModelFolder.Save(Path.Combine(folder, "model"), small.Model, DType.BF16);
            int[][] orders = [.. ((DType[])[DType.BF16, DType.F32]).Select(type =>
            {
                using var parts = StoredParts.Open(Path.Combine(folder, "model"), type, small.Device);
                using var steps = new CalibrationSteps(small.Device, [SmallParent.Batch(7)]);
                using var jobs = JobFolder.Open(Path.Combine(folder, type.Label(), "jobs"));
                using var states = new ParentStates(small.Device, parts, steps, jobs, forDistillation: true);
                states.ComputeAll();
                return new ChannelElimination(small.Device, states, 1).Order(4);
            })];
            Assert.Equal(orders[1], orders[0]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_order_does_not_depend_on_threads_and_is_empty_without_channels()
    {
        using var small = new SmallParent();
        using var states = small.States(3, 2);
        int[] order = new ChannelElimination(small.Device, states.States, 2).Order(6);
        using var alone = new Devices.CpuDevice(1);
        Assert.Equal(order, new ChannelElimination(alone, states.States, 2).Order(6));
        using var without = SmallParent.Of(new Models.Configuration.LayerConfiguration(
            new Models.Configuration.AttentionConfiguration(4), new Models.Configuration.NoFeedForwardConfiguration()));
        using var empty = without.States(3, 1);
        Assert.Empty(new ChannelElimination(without.Device, empty.States, 0).Order(3));
    }

    /// <summary>Mean over tokens of ‖Σ x_i w_i‖ over the missing channels.</summary>
    private static double Error(double[,] x, double[,] down, IReadOnlyList<int> missing)
    {
        double sum = 0;
        for (int t = 0; t < Tokens; t++)
        {
            double square = 0;
            for (int c = 0; c < Hidden; c++)
            {
                square += Math.Pow(missing.Sum(i => x[t, i] * down[c, i]), 2);
            }

            sum += Math.Sqrt(square);
        }

        return sum / Tokens;
    }

    private static unsafe double[,] Activations(SmallParent small, SmallStates states)
    {
        using var arena = new Devices.Arena("test");
        var block = (SwiGluBlock)small.Model.Layers[0].FeedForward!;
        var executor = new Executor(small.Device, arena, null);
        var middle = states.States.ReadMiddle(arena, 0, 0);
        var activated = block.Activate(executor, executor.RmsNorm(middle, block.Norm, (float)small.Configuration.RmsNormEpsilon));
        return Values(activated.Data.Floats, Tokens, Width);
    }

    private static unsafe double[,] Down(SmallParent small) =>
        Values(((SwiGluBlock)small.Model.Layers[0].FeedForward!).Down.Floats, Hidden, Width);

    private static unsafe double[,] Values(float* source, int rows, int columns)
    {
        var values = new double[rows, columns];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                values[row, column] = source[(row * columns) + column];
            }
        }

        return values;
    }
}
