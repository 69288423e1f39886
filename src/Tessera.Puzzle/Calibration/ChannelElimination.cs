using System.Numerics;
using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Tensors;

namespace Tessera.Puzzle.Calibration;

/// <summary>
/// Orders a layer's FFN channels by cutting them in rounds, with contributions measured again after each: what a channel adds to the
/// error depends on what is missing already.
/// </summary>
/// <remarks>
/// With s the sum of what the removed channels gave, x_i the input of the down projection and w_i its column i,
/// <code>
/// contribution_i = mean over tokens of ‖s + x_i w_i‖₂ = mean of √(‖s‖² + 2 x_i ⟨s, w_i⟩ + x_i² ‖w_i‖²)
/// </code>
/// (Puzzletron's iterative contribution with α = 1). In the first round s is 0 and this is <see cref="ChannelContribution"/>, so one
/// round gives that order. Of N rounds each cuts an Nth of the width; narrow widths are nested, since one order of removal serves all.
/// Sums run over tokens in order, in double: the result does not depend on the number of threads.
/// Memory: the down projection twice in f32, and in bf16 once more each where the device computes in it, and a batch's activations beside
/// what the feed-forward takes.
/// </remarks>
/// <param name="device">Where products are computed.</param>
/// <param name="states">The parent's states, with those between the halves.</param>
/// <param name="layer">The layer.</param>
public sealed class ChannelElimination(Device device, ParentStates states, int layer)
{
    /// <summary>Channels by falling importance: the last one that would be removed comes first. Empty where there is no SwiGLU.</summary>
    /// <param name="rounds">Rounds, at least 1.</param>
    public int[] Order(int rounds)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        double[] scores = states.ChannelScores(layer);
        int width = scores.Length;
        var removed = new List<int>(width);
        bool[] isRemoved = new bool[width];
        for (int round = 0; round < rounds && width > 0; round++)
        {
            if (round > 0)
            {
                scores = Measure(isRemoved);
            }

            // Rising, and of equals the later one first: as the order of one round has it, read from its end.
            int[] rising = [.. ChannelContribution.Order(scores).Reverse().Where(channel => !isRemoved[channel])];
            int left = (int)((long)width * (rounds - 1 - round) / rounds);
            foreach (int channel in rising[..(rising.Length - left)])
            {
                removed.Add(channel);
                isRemoved[channel] = true;
            }
        }

        removed.Reverse();
        return [.. removed];
    }

    /// <summary>Contributions where some channels are gone; theirs count for nothing.</summary>
    private unsafe double[] Measure(bool[] isRemoved)
    {
        using var weights = device.CreateArena("parent half");
        using var work = device.CreateArena("activations");
        var block = (SwiGluBlock)states.Parent.FeedForward(layer, weights)!;
        double[] squares = new double[block.Width], sums = new double[block.Width];
        var (gone, columns) = Matrices(block, weights, isRemoved, squares);
        for (int batch = 0; batch < states.Steps.Count; batch++)
        {
            work.Reset();
            var executor = new Executor(device, work, null);
            var middle = states.ReadMiddle(work, layer, batch);
            var normalised = executor.RmsNorm(middle, block.Norm, (float)states.Parent.Configuration.RmsNormEpsilon);
            var activated = block.Activate(executor, normalised);
            var missing = executor.Linear(activated, gone);
            var products = executor.Linear(missing, columns);
            work.Memory.Read(activated.Address, activated.Bytes, x =>
                work.Memory.Read(missing.Address, missing.Bytes, s =>
                    work.Memory.Read(products.Address, products.Bytes, g => Add(
                        new Rows(x, activated), new Rows(s, missing), new Rows(g, products), squares, sums))));
        }

        return [.. sums.Select(sum => sum / states.Steps.Tokens)];
    }

    /// <summary>The down projection of the removed channels alone, [hidden, width], its columns as rows, and their squared norms.</summary>
    private unsafe (Parameter Gone, Parameter Columns) Matrices(SwiGluBlock block, Arena arena, bool[] isRemoved, double[] squares)
    {
        int hidden = block.Down.Rows, width = block.Width;
        var gone = new Parameter("removed channels", hidden, width, DType.F32, arena);
        var columns = new Parameter("columns", width, hidden, DType.F32, arena);
        ParameterConversion.Copy(block.Down, gone);
        gone.EditWhole(kept => columns.EditWhole(transposed =>
        {
            for (int row = 0; row < hidden; row++)
            {
                for (int i = 0; i < width; i++)
                {
                    ref float value = ref kept.Floats[((long)row * width) + i];
                    squares[i] += (double)value * value;
                    transposed.Floats[((long)i * hidden) + row] = value;
                    value = isRemoved[i] ? value : 0;
                }
            }
        }));
        return (Multiplied(gone, arena), Multiplied(columns, arena));
    }

    /// <summary>A matrix as the device multiplies it: a card that computes in bf16 has no product of bf16 with f32.</summary>
    private Parameter Multiplied(Parameter matrix, Arena arena)
    {
        if (device.ActivationType == DType.F32)
        {
            return matrix;
        }

        var rounded = new Parameter(matrix.Name, matrix.Rows, matrix.Columns, device.ActivationType, arena);
        ParameterConversion.Copy(matrix, rounded);
        return rounded;
    }

    private static void Add(Rows activated, Rows missing, Rows products, double[] squares, double[] sums)
    {
        float[] x = new float[sums.Length], g = new float[sums.Length], s = new float[missing.Columns];
        for (int token = 0; token < activated.Count; token++)
        {
            activated.Read(token, x);
            products.Read(token, g);
            missing.Read(token, s);
            double all = 0;
            foreach (float value in s)
            {
                all += (double)value * value;
            }

            Add(x, g, squares, all, sums);
        }
    }

    /// <summary>sums[i] += √max(0, all + 2 x[i] g[i] + x[i]² squares[i]).</summary>
    private static void Add(ReadOnlySpan<float> x, ReadOnlySpan<float> g, ReadOnlySpan<double> squares, double all, Span<double> sums)
    {
        int i = 0, lanes = Vector<double>.Count;
        for (; i <= x.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector.Widen(new Vector<float>(x[i..]), out var x0, out var x1);
            Vector.Widen(new Vector<float>(g[i..]), out var g0, out var g1);
            Contribution(x0, g0, new Vector<double>(squares[i..]), all, sums[i..]);
            Contribution(x1, g1, new Vector<double>(squares[(i + lanes)..]), all, sums[(i + lanes)..]);
        }

        for (; i < x.Length; i++)
        {
            double value = all + (2 * ((double)x[i] * g[i])) + ((double)x[i] * x[i] * squares[i]);
            sums[i] += Math.Sqrt(Math.Max(0, value));
        }
    }

    private static void Contribution(Vector<double> x, Vector<double> g, Vector<double> squares, double all, Span<double> sums)
    {
        var value = new Vector<double>(all) + ((x * g) * 2) + ((x * x) * squares);
        (new Vector<double>(sums) + Vector.SquareRoot(Vector.Max(Vector<double>.Zero, value))).CopyTo(sums);
    }

    /// <summary>Rows of a tensor whose memory the host reaches.</summary>
    private readonly unsafe struct Rows(nint address, Tensor tensor)
    {
        public int Count => tensor.Rows;

        public int Columns => tensor.Columns;

        /// <summary>A row in f32.</summary>
        public void Read(int row, Span<float> target)
        {
            long start = (long)row * tensor.Columns;
            if (tensor.Type == DType.F32)
            {
                new ReadOnlySpan<float>((float*)address + start, target.Length).CopyTo(target);
                return;
            }

            ushort* halves = (ushort*)address + start;
            for (int i = 0; i < target.Length; i++)
            {
                target[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
            }
        }
    }
}
